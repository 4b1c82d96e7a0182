/** Verification of a checkpoint note: the right log, its signature, and the cosignatures of known witnesses. */
import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts";
import { cosignatureTimestamp } from "./cosignature.ts";
import { encodeHex } from "./encoding.ts";
import { TlogError } from "./errors.ts";
import type { KeyVerifier, VerifierKey } from "./keys.ts";
import { type Note, type NoteLimits, type NoteVerifier, openNote, parseNote } from "./note.ts";

/** Whom to believe about one log. */
export interface CheckpointTrust {
  /** The log to expect. */
  readonly origin: string;
  /** The keys of the log, one as a rule. One of them must have signed. */
  readonly logs: readonly NoteVerifier[];
  /** Known witnesses (see `createCosignatureVerifier`). None need have signed, but no cosignature may be false. */
  readonly witnesses?: readonly KeyVerifier[];
}

/** A verified statement of a witness. */
export interface Cosignature {
  readonly key: VerifierKey;
  /** When the witness signed, in POSIX seconds. Not compared with any clock: freshness is the application's decision. */
  readonly timestamp: number;
}

/** A checkpoint that a key of the log has signed. */
export interface VerifiedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** One for each known witness that cosigned: its first line, if it has several. */
  readonly cosignatures: readonly Cosignature[];
  /** The note as it was received, unknown signatures included. */
  readonly note: Note;
}

/**
 * Parses and verifies a checkpoint note.
 * @param input the bytes or text of the note, or the parsed note
 * @throws TlogError CHECKPOINT_MALFORMED, ORIGIN_MISMATCH; NOTE_UNSIGNED if no key of the log has signed;
 *   SIGNATURE_INVALID if a known key, of the log or a witness, has a false signature; KEY_AMBIGUOUS if two witnesses
 *   share a public key; and those of `parseNote`
 */
export async function openCheckpoint(
  input: Note | Uint8Array | string,
  trust: CheckpointTrust,
  limits: NoteLimits = {},
): Promise<VerifiedCheckpoint> {
  const note = typeof input === "string" || input instanceof Uint8Array ? parseNote(input, limits) : input;
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== trust.origin) {
    throw new TlogError(
      "ORIGIN_MISMATCH",
      `checkpoint is not of log ${JSON.stringify(trust.origin)}; check the address`,
    );
  }
  const witnesses = trust.witnesses ?? [];
  // A cosignature does not cover its witness's name: under a second name anyone can write it down again.
  if (new Set(witnesses.map(({ key }) => encodeHex(key.publicKey))).size !== witnesses.length) {
    throw new TlogError(
      "KEY_AMBIGUOUS",
      "two witnesses share a public key, so one would count twice; remove one",
    );
  }
  const { verified } = await openNote<NoteVerifier | KeyVerifier>(note, [...trust.logs, ...witnesses]);
  const signers = new Map(verified.map(({ verifier, signature }) => [verifier, signature]));
  if (!trust.logs.some((log) => signers.has(log))) {
    throw new TlogError(
      "NOTE_UNSIGNED",
      `no key of log ${JSON.stringify(trust.origin)} has signed the checkpoint`,
    );
  }
  const cosignatures = witnesses.flatMap((witness) => {
    const signature = signers.get(witness);
    return signature === undefined ? [] : [{ key: witness.key, timestamp: cosignatureTimestamp(signature) }];
  });
  return { checkpoint, cosignatures, note };
}
