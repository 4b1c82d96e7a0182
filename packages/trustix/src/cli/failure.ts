// How errors reach people and scripts: what went wrong, why, what to do next, and an exit status.
import { visible } from "../terminal.ts";
import type { Io } from "./io.ts";

/** Exit statuses of the command line. */
export const EXIT = {
  ok: 0,
  /** The command could not do its work. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The daemon does not answer. */
  unreachable: 3,
  /** What was verified is false. */
  unverified: 4,
} as const;

/** The parts of an error of any of our packages. */
interface Described {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly cause: string | undefined;
}

const VERIFICATION_CODES: ReadonlySet<string> = new Set([
  "VERIFY_FAILED",
  "EVIDENCE_INVALID",
  "LOG_FORKED",
  "NOTE_UNSIGNED",
  "SIGNATURE_INVALID",
  "ORIGIN_MISMATCH",
  "CHECKPOINT_MALFORMED",
  "NOTE_MALFORMED",
  "TILE_INVALID",
  "BUNDLE_MALFORMED",
  "BUNDLE_MISMATCH",
  "PROOF_INVALID",
  "PROOF_MALFORMED",
  "RESOURCE_MISSING",
  "ROOT_MISMATCH",
  "ROLLBACK",
  "FORK",
]);

function describe(error: unknown): Described {
  if (!(error instanceof Error))
    return { code: "INTERNAL", message: String(error), hint: undefined, cause: undefined };
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  return {
    code: typeof code === "string" ? code : "INTERNAL",
    message: error.message,
    hint: typeof hint === "string" && hint !== "" ? hint : undefined,
    cause: error.cause instanceof Error ? error.cause.message : undefined,
  };
}

/** The exit status for an error. */
export function exitStatusOf(error: unknown): number {
  const { code } = describe(error);
  if (code === "DAEMON_UNREACHABLE") return EXIT.unreachable;
  if (code === "USAGE" || code === "CONFIG_INVALID" || code === "CONFIG_MISSING") return EXIT.usage;
  return VERIFICATION_CODES.has(code) ? EXIT.unverified : EXIT.failed;
}

/** Prints an error: for scripts as one JSON object on standard output, for people as what, why and next. */
export function printFailure(io: Io, error: unknown, json: boolean): void {
  const { code, message, hint, cause } = describe(error);
  if (json) {
    io.out(JSON.stringify({ error: { code, message, hint: hint ?? "" } }));
    return;
  }
  // What a peer said may be part of any of it.
  const say = (label: string, text: string): void =>
    io.err(`${label}${visible(text.replaceAll("\t", "  "))}`);
  const [first = "", ...more] = message.split("\n");
  say("trustix: ", first);
  for (const line of more) say("         ", line);
  if (cause !== undefined && !message.includes(cause)) say("  why:   ", cause.split("\n")[0] as string);
  if (hint !== undefined) say("  next:  ", hint);
  if (code === "INTERNAL" && error instanceof Error) io.err(error.stack ?? "");
}
