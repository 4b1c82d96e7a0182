// What strangers may see of a node's state, who reach no more than its public listener.
import { TrustixError } from "../errors.ts";
import { isExpected } from "./api-parts.ts";

/** Who reads an answer: the node's operator, or whoever reaches the public listener. */
export type Audience = "operator" | "public";

/** An object whose fields are looked at one by one. */
type Fields = Readonly<Record<string, unknown>>;

/** Addresses that say something of this machine only, and not of its network. */
const LOCAL_ADDRESS = /^(unix|file):/;
/** Such an address within a text; its characters are those of a URL, or of a path that is quoted. */
const LOCAL_ADDRESSES = /\b(unix|file):\/[^\s"'<>;,()]*/g;

/** A text such as the reason of a failure. To the public, local addresses in it are named by their scheme only. */
export function textFor(audience: Audience, text: string): string {
  return audience === "operator" ? text : text.replace(LOCAL_ADDRESSES, "$1:");
}

/** An error as an answer. The public is told what it can do something about, and of all else that there was something. */
export function errorFor(audience: Audience, error: TrustixError): TrustixError {
  if (audience === "operator") return error;
  if (!isExpected(error)) return new TrustixError("INTERNAL", "internal error", { cause: error });
  const { code, message, hint, retryAfterMs } = error;
  return new TrustixError(code, textFor(audience, message), {
    cause: error,
    ...(hint === undefined ? {} : { hint: textFor(audience, hint) }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** A decision with its reasons: an `Explanation`. To the public, nothing in it tells about this machine's file system. */
export function explanationFor(audience: Audience, explanation: unknown): unknown {
  if (audience === "operator") return explanation;
  const { votes, ...rest } = explanation as Fields & { readonly votes: readonly Fields[] };
  const shown = votes.map(({ reason, ...vote }) => ({
    ...vote,
    reason: typeof reason === "string" ? textFor(audience, reason) : null,
  }));
  return { ...rest, votes: shown };
}

/** The state of subscriptions. To the public, nothing tells about this machine's file system. */
export function subscriptionsFor(audience: Audience, subscriptions: readonly object[]): readonly object[] {
  return audience === "operator"
    ? subscriptions
    : subscriptions.map((each) => publicSubscription(each as Fields));
}

function publicSubscription(given: Fields): Fields {
  const address = String(given.address);
  const scheme = LOCAL_ADDRESS.exec(address)?.[0];
  const { lastError, fault } = given as { readonly lastError?: Fields; readonly fault?: Fields };
  return {
    ...given,
    address: scheme ?? address,
    // The text of an error may have the path of a socket or a file in it.
    lastError: lastError && {
      ...lastError,
      message: scheme === undefined ? lastError.message : lastError.code,
    },
    fault: fault && { ...fault, evidence: String(fault.evidence).split("/").at(-1) },
  };
}

/** The state of the node. The public sees neither its process nor the sockets and caches behind it. */
export function statusFor(audience: Audience, status: object): object {
  if (audience === "operator") return status;
  const { pid: _, listen, subscriptions, substituter, ...rest } = status as Fields;
  return {
    ...rest,
    listen: (listen as readonly string[]).filter((address) => !LOCAL_ADDRESS.test(address)),
    subscriptions: subscriptionsFor("public", subscriptions as readonly object[]),
    ...(substituter === undefined ? {} : { substituter: publicSubstituter(substituter as Fields) }),
  };
}

function publicSubstituter({ upstreams, ...stats }: Fields): Fields {
  return {
    ...stats,
    upstreams: (upstreams as readonly Fields[]).map(({ name, state }) => ({ name, state })),
  };
}
