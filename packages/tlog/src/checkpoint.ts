/**
 * Checkpoints: the signed head of a log (https://c2sp.org/tlog-checkpoint).
 *
 *     <origin>\n
 *     <tree size>\n
 *     <base64 root hash>\n
 *     (<extension line>\n)*
 */
import { decodeBase64Exact, encodeBase64, parseDecimal } from "./encoding.ts";
import { recode, TlogError } from "./errors.ts";
import { type NoteSignature, type NoteSigner, signNote } from "./note.ts";
import { MAX_NOTE_BYTES, readText } from "./text.ts";

const HASH_BYTES = 32;

/** The head of a log at one size. */
export interface Checkpoint {
  /** Identity of the log: one line, not empty. A schema-less URL by recommendation, which readers must not rely on. */
  readonly origin: string;
  /** Number of entries, 0 to 2^53 - 1. */
  readonly size: number;
  /** Root hash of the RFC 6962 tree, 32 bytes. */
  readonly root: Uint8Array;
  /** Opaque lines, none of them empty. The specification advises against them: monitors cannot audit them. */
  readonly extensions: readonly string[];
}

/**
 * Parses the text of a checkpoint note (what precedes its signatures). Nothing is verified: see `openCheckpoint`.
 * @throws TlogError CHECKPOINT_MALFORMED, also for a size above 2^53 - 1
 */
export function parseCheckpoint(text: Uint8Array | string): Checkpoint {
  const body = readText(text, "checkpoint", MAX_NOTE_BYTES, "CHECKPOINT_MALFORMED");
  const [origin, size, root, ...extensions] = body.slice(0, -1).split("\n");
  if (origin === undefined || size === undefined || root === undefined) {
    throw new TlogError("CHECKPOINT_MALFORMED", "checkpoint has fewer than three lines");
  }
  if (origin === "" || extensions.includes("")) {
    throw new TlogError("CHECKPOINT_MALFORMED", "checkpoint has an empty line");
  }
  return {
    origin,
    size: recode("CHECKPOINT_MALFORMED", "checkpoint's size (line 2)", () => parseDecimal(size)),
    root: recode("CHECKPOINT_MALFORMED", "checkpoint's root (line 3)", () =>
      decodeBase64Exact(root, HASH_BYTES),
    ),
    extensions,
  };
}

/**
 * Writes the text of a checkpoint note: the inverse of `parseCheckpoint`.
 * @throws TlogError CHECKPOINT_MALFORMED
 */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const lines = [origin, ...extensions];
  if (lines.some((line) => line === "" || line.includes("\n"))) {
    throw new TlogError("CHECKPOINT_MALFORMED", "origin and extensions must be single lines, not empty");
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new TlogError("CHECKPOINT_MALFORMED", "checkpoint's size is not an integer from 0 to 2^53 - 1");
  }
  if (root.length !== HASH_BYTES) {
    throw new TlogError("CHECKPOINT_MALFORMED", `checkpoint's root has ${root.length} bytes, expected 32`);
  }
  const text = `${[origin, size, encodeBase64(root), ...extensions].join("\n")}\n`;
  return readText(text, "checkpoint", MAX_NOTE_BYTES, "CHECKPOINT_MALFORMED");
}

/**
 * Signs a checkpoint and returns the whole note. Whoever signs for a log promises that the tree only ever grows: two
 * signed checkpoints that do not fit are proof of misbehaviour. So sign only what is stored durably.
 * @param existing signatures over the same checkpoint to keep; those by one of `signers` are replaced
 * @throws TlogError CHECKPOINT_MALFORMED, and those of `signNote`
 */
export async function signCheckpoint(
  checkpoint: Checkpoint,
  signers: readonly NoteSigner[],
  existing: readonly NoteSignature[] = [],
): Promise<string> {
  return signNote(formatCheckpoint(checkpoint), signers, existing);
}
