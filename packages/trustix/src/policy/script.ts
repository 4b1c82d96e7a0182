/**
 * What a policy script is asked and what it may answer: the contract between policy and sandbox, and with the people who write
 * scripts. docs/guides/policies.md describes it for them.
 */

/** The argument of a script's default export. Plain JSON. */
export interface ScriptInput {
  /** The full store path; null when operators disagree about the name. */
  readonly path: string | null;
  /** The part of the path after hash and dash. */
  readonly name: string | null;
  readonly hashPart: string;
  /** One for each configured operator. */
  readonly votes: readonly ScriptVote[];
  /** What the rule says. */
  readonly quorum: {
    readonly accepted: boolean;
    readonly statement: string | null;
    /** Why not, such as `no-quorum`; null when accepted. */
    readonly reason: string | null;
    readonly rule: string;
    readonly explanation: string;
  };
}

export interface ScriptVote {
  readonly operator: string;
  /** What a `quarantined` one says does not count; the script is also asked as if it did, and both answers must accept. */
  readonly kind: "statement" | "conflicting" | "quarantined" | "absent" | "unreachable";
  /** Null unless `kind` is `statement`. */
  readonly statement: string | null;
  /** Whether any of the operator's logs has it; otherwise a cache's signature is all there is. */
  readonly logged: boolean;
}

/** What a script answers, read and checked. An `error` is a refusal. */
export type ScriptAnswer =
  | { readonly kind: "accept"; readonly statement: string; readonly because: string }
  | { readonly kind: "refuse"; readonly because: string }
  | { readonly kind: "error"; readonly message: string };

/** A script that is ready to be asked. */
export interface PolicyScript {
  /** Never throws; answers within the script's limits. */
  decide(input: ScriptInput): ScriptAnswer;
}

/** Longest `because`, in characters. */
const MAX_BECAUSE_LENGTH = 500;

/**
 * Reads the JSON text of what a script returned: `{ accept, because }` or `{ refuse }`, nothing else. The text comes from the
 * sandbox and is not trusted.
 */
export function parseScriptAnswer(text: string): ScriptAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "error", message: "it returned no object" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { kind: "error", message: "it returned no object" };
  }
  const { accept, refuse, because, ...others } = value as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    return {
      kind: "error",
      message: `it returned an unknown property ${JSON.stringify(unknown.slice(0, 40))}`,
    };
  }
  if (typeof accept === "string" && isReason(because) && refuse === undefined) {
    return { kind: "accept", statement: accept, because };
  }
  if (isReason(refuse) && accept === undefined && because === undefined) {
    return { kind: "refuse", because: refuse };
  }
  return {
    kind: "error",
    message: `it must return { accept: statement, because: text } or { refuse: text }, with texts of 1 to ${MAX_BECAUSE_LENGTH} characters`,
  };
}

function isReason(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_BECAUSE_LENGTH;
}
