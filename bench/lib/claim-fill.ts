// Claims of many builders, written straight into a claim store: as a node has them after it has mirrored their logs.

import { createHash } from "node:crypto";
import { nixMapKey, type StorePath } from "@trustix/nix";
import { ClaimWriter, type NewClaim, packClaims } from "trustix/src/subscribe/claim-writer.ts";

const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";
const WORDS =
  "lib python perl haskell node rust go gcc linux emacs texlive vim kde gtk qt json yaml http server client test core utils tools doc dev font theme plugin hook Xml SDL".split(
    " ",
  );
const SYSTEMS = ["x86_64-linux", "x86_64-linux", "x86_64-linux", "aarch64-linux", "x86_64-darwin"];
const BATCH = 32_768;

function nix32(text: string, length: number): string {
  const digest = createHash("sha512").update(text).digest();
  return Array.from({ length }, (_, i) => ALPHABET[digest[i]! % 32]).join("");
}

/** The name of path number `n`: a million different ones, eight versions of each package. */
function pathName(n: number): string {
  const word = (i: number): string => WORDS[Math.floor((n >> 3) / WORDS.length ** i) % WORDS.length]!;
  return `${word(0)}${n >> 13}-${word(1)}-${word(2)}-${n & 7}.${(n >> 3) % 10}.${n % 97}`;
}

/** The hash part of path number `n`. */
export const pathHash = (n: number): string => nix32(`path ${n}`, 32);

/** Who the log of a builder is, in the claim store. */
export const logIdentity = (builder: number) =>
  ({ origin: `builder${builder}.test/nix`, key: `builder${builder}.test/nix+0+`, protocol: "nix" }) as const;

/**
 * What a builder claims of path number `n`: most agree; one path in ten is flaky, and the last builder deviates on one in
 * five hundred.
 */
export function claimOn(n: number, builder: number, builders: number, index = n): NewClaim {
  const path = `/nix/store/${pathHash(n)}-${pathName(n)}` as StorePath;
  const isFlaky = (n >> 3) % 10 === 3 && (n + builder) % 3 === 0;
  const isLie = builder === builders - 1 && n % 500 === 7;
  const output = isLie ? `lie ${n}` : isFlaky ? `nar ${n} ${builder}` : `nar ${n}`;
  const statement = `1;${path};sha256:0${nix32(output, 51)};${1000 + n};${path}`;
  return { key: nixMapKey(path), index, statement, system: SYSTEMS[(n >> 3) % SYSTEMS.length] };
}

/** Fills the claim store at a path: every builder has claims on the first `paths` paths. */
export function fillClaims(file: string, paths: number, builders: number): void {
  using writer = ClaimWriter.open(file);
  for (let builder = 0; builder < builders; builder++) {
    let { id, nextIndex } = writer.log(logIdentity(builder));
    while (nextIndex < paths) {
      const end = Math.min(paths, nextIndex + BATCH);
      const claims = [];
      for (let n = nextIndex; n < end; n++) claims.push(claimOn(n, builder, builders));
      const parts = [packClaims(claims)];
      // Half a year of history.
      const seenAtMs = Date.now() - (1 - nextIndex / paths) * 180 * 86_400_000;
      writer.append(id, { startIndex: nextIndex, nextIndex: end, unreadable: 0, seenAtMs, parts });
      nextIndex = end;
    }
  }
}
