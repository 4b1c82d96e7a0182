/**
 * Offline proofs that an entry is in a log (https://c2sp.org/tlog-proof, draft of December 2025), file name extension
 * `.tlog-proof`.
 *
 *     c2sp.org/tlog-proof@v1\n
 *     [extra <base64>\n]
 *     index <decimal>\n
 *     (<base64 hash>\n)*
 *     \n
 *     <checkpoint with cosignatures>
 */
import { decodeBase64, decodeBase64Exact, encodeBase64, parseDecimal } from "./encoding.ts";
import { recode, TlogError } from "./errors.ts";
import { verifyInclusion } from "./merkle/verify.ts";
import { formatNote, type Note, parseNote } from "./note.ts";
import type { VerifiedCheckpoint } from "./open-checkpoint.ts";
import { readText } from "./text.ts";

/** Longest proof file that is read: 2 MiB, of which a checkpoint note may take one. */
export const MAX_TLOG_PROOF_BYTES = 2 << 20;

const HEADER = "c2sp.org/tlog-proof@v1";
const EXTRA = "extra ";
const INDEX = "index ";
const HASH_BYTES = 32;
/** An inclusion proof has a hash for each level of the tree at most, and trees have at most 63 levels. */
const MAX_HASHES = 63;

/** A parsed proof file: nothing in it is verified. */
export interface TlogProof {
  /** Application data that nothing authenticates. Not empty if present. */
  readonly extra?: Uint8Array;
  /** Index of the entry in the log, from 0 to 2^53 - 1. */
  readonly index: number;
  /** The inclusion proof: 32-byte hashes, the leaf's sibling first. At most 63. */
  readonly hashes: readonly Uint8Array[];
  /** The signed checkpoint of the tree that the proof leads to. */
  readonly checkpoint: Note;
}

/**
 * Parses a proof file. Nothing is verified: see `verifyTlogProof`.
 * @param maxBytes longest accepted file, default 2 MiB
 * @throws TlogError PROOF_MALFORMED; NOTE_MALFORMED or NOTE_TOO_LARGE if it is the checkpoint note in it
 */
export function parseTlogProof(input: Uint8Array | string, maxBytes = MAX_TLOG_PROOF_BYTES): TlogProof {
  const file = readText(input, "proof file", maxBytes, "PROOF_MALFORMED");
  const split = file.indexOf("\n\n");
  if (split < 0) throw malformed("has no blank line before the checkpoint");
  const [header, ...lines] = file.slice(0, split).split("\n");
  if (header !== HEADER) throw malformed(`does not start with the line ${HEADER}`);
  const extra = lines[0]?.startsWith(EXTRA) ? parseExtra(lines.shift()!) : undefined;
  const indexLine = lines.shift();
  if (!indexLine?.startsWith(INDEX)) throw malformed("has no index line");
  const index = recode("PROOF_MALFORMED", "proof file's index", () =>
    parseDecimal(indexLine.slice(INDEX.length)),
  );
  if (lines.length > MAX_HASHES) throw malformed(`has more than ${MAX_HASHES} hashes`);
  const hashes = lines.map((line, i) =>
    recode("PROOF_MALFORMED", `proof file's hash ${i + 1}`, () => decodeBase64Exact(line, HASH_BYTES)),
  );
  const checkpoint = parseNote(file.slice(split + 2));
  return extra === undefined ? { index, hashes, checkpoint } : { extra, index, hashes, checkpoint };
}

function parseExtra(line: string): Uint8Array {
  const encoded = line.slice(EXTRA.length);
  const extra = recode("PROOF_MALFORMED", "proof file's extra data", () =>
    decodeBase64(encoded, encoded.length),
  );
  if (extra.length === 0) throw malformed("has an empty extra line");
  return extra;
}

/**
 * Writes a proof file: the inverse of `parseTlogProof`.
 * @throws TlogError PROOF_MALFORMED, NOTE_MALFORMED, NOTE_TOO_LARGE
 */
export function formatTlogProof({ extra, index, hashes, checkpoint }: TlogProof): string {
  if (!Number.isSafeInteger(index) || index < 0)
    throw malformed("has an index that is not from 0 to 2^53 - 1");
  if (extra?.length === 0) throw malformed("has empty extra data; leave it out");
  if (hashes.length > MAX_HASHES || hashes.some((hash) => hash.length !== HASH_BYTES)) {
    throw malformed(`takes at most ${MAX_HASHES} hashes of ${HASH_BYTES} bytes`);
  }
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [EXTRA + encodeBase64(extra)]),
    INDEX + index,
    ...hashes.map(encodeBase64),
    "",
    formatNote(checkpoint),
  ];
  return readText(lines.join("\n"), "proof file", MAX_TLOG_PROOF_BYTES, "PROOF_MALFORMED");
}

/**
 * Verifies that an entry is in a log: first the checkpoint, then that the proof leads from the entry to its root.
 * @param proof a parsed proof file, or its bytes or text
 * @param leafHash hash of the entry as a leaf, 32 bytes (see `leafHash`)
 * @param open decides whom to trust: `(note) => policy.openCheckpoint(note)` with a `PolicyVerifier`, or
 *   `(note) => openCheckpoint(note, trust)`
 * @returns the verified checkpoint, and with it who cosigned it and when
 * @throws TlogError RANGE_INVALID, PROOF_MALFORMED or PROOF_INVALID if the proof is not one for this entry; those of
 *   `parseTlogProof` and of `open`
 */
export async function verifyTlogProof(
  proof: TlogProof | Uint8Array | string,
  leafHash: Uint8Array,
  open: (note: Note) => Promise<VerifiedCheckpoint>,
): Promise<VerifiedCheckpoint> {
  const parsed = typeof proof === "string" || proof instanceof Uint8Array ? parseTlogProof(proof) : proof;
  const opened = await open(parsed.checkpoint);
  verifyInclusion(leafHash, parsed.index, opened.checkpoint, parsed.hashes);
  return opened;
}

function malformed(message: string): TlogError {
  return new TlogError("PROOF_MALFORMED", `proof file ${message}`);
}
