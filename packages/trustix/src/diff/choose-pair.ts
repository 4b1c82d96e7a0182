// Which two of the outputs that were stated for a path are compared.
import { TrustixError } from "../errors.ts";

/** An output, as far as the choice looks at it. */
export interface Stated {
  /** `sha256:<nix32>` */
  readonly narHash: string;
  readonly operators: readonly string[];
}

/**
 * Two outputs: those that were asked for, and else the ones with most support.
 * @param stated the one with most support first
 * @throws TrustixError `NOT_FOUND` when there is no such output, or there are not two
 */
export function choosePair<T extends Stated>(
  stated: readonly T[],
  wanted: { readonly before?: string | undefined; readonly after?: string | undefined },
): readonly [T, T] {
  const known = stated.map(({ narHash, operators }) => `${narHash} (${operators.join(", ")})`).join(", ");
  const missing = (what: string): TrustixError =>
    new TrustixError("NOT_FOUND", what, {
      hint: known === "" ? "`trustix explain` shows who says what." : `Stated are: ${known}.`,
    });
  const named = (narHash: string | undefined): T | undefined => {
    const found = stated.find((each) => each.narHash === narHash);
    if (narHash === undefined || found !== undefined) return found;
    throw missing(`nobody states ${narHash} of this path`);
  };
  const [first, second] = [named(wanted.before), named(wanted.after)];
  const before = first ?? stated.find((each) => each !== second);
  const after = second ?? stated.find((each) => each !== before);
  if (before === undefined) throw missing("nobody states anything of this path");
  if (after === undefined)
    throw missing("there is nothing to compare: everybody states the same of this path");
  return [before, after];
}

/**
 * NAR hashes to compare for builders.
 * @param builders one: it against what most others state, or its own two when it contradicts itself; two: their outputs
 * @throws TrustixError `NOT_FOUND` for a builder without an output, or when they state the same
 */
export function chooseByBuilders<T extends Stated>(
  stated: readonly T[],
  builders: readonly [string] | readonly [string, string],
): readonly [T, T] {
  const outputsOf = (builder: string): readonly T[] => {
    const outputs = stated.filter(({ operators }) => operators.includes(builder));
    if (outputs.length > 0) return outputs;
    const others = [...new Set(stated.flatMap(({ operators }) => operators))].join(", ");
    throw new TrustixError("NOT_FOUND", `${builder} states nothing of this path`, {
      hint: others === "" ? "Nobody else does either." : `Those who do: ${others}.`,
    });
  };
  const [one, other] = builders;
  const mine = outputsOf(one);
  if (other === undefined) {
    const [first, second] = mine as readonly [T, ...T[]];
    if (second !== undefined) return [first, second];
    const others = stated.find((each) => each !== first);
    if (others !== undefined) return [others, first];
  } else {
    const theirs = outputsOf(other);
    for (const before of mine) {
      const after = theirs.find((each) => each !== before);
      if (after !== undefined) return [before, after];
    }
  }
  throw new TrustixError("NOT_FOUND", "there is nothing to compare: they state the same of this path");
}
