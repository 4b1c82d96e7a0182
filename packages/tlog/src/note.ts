/**
 * Signed notes: a text and the lines of those who signed it (https://c2sp.org/signed-note).
 *
 * A signature line names its key by a name and a 32-bit id. The id is not a strong hash: it finds a key that the reader
 * already knows, and proves nothing.
 */
import { concatBytes, decodeBase64, encodeBase64, encodeUtf8 } from "./encoding.ts";
import { recode, TlogError } from "./errors.ts";
import { MAX_NOTE_BYTES, readText } from "./text.ts";

/** Default limit on the signature lines of a note, the same as in the Go implementation. */
export const MAX_NOTE_SIGNATURES = 100;

const LINE_START = "\u2014 ";
const KEY_ID_BYTES = 4;

/** One signature line: `— <name> base64(id || signature)`. */
export interface NoteSignature {
  /** Name of the key. */
  readonly name: string;
  /** The key id as an unsigned 32-bit number (big-endian in the line). */
  readonly id: number;
  /** What follows the id: at least one byte, in the form that the key's signature type defines. */
  readonly signature: Uint8Array;
}

/** A note as written: nothing in it is verified, and its text must not be used before `openNote` accepts it. */
export interface Note {
  /** The signed text, with its final newline and without the blank line that separates the signatures. */
  readonly text: string;
  /** The signature lines in their order, repeated ones included. At least one. */
  readonly signatures: readonly NoteSignature[];
}

/** Bounds on what `parseNote` accepts. */
export interface NoteLimits {
  /** Most bytes of the whole note. Default 1 MiB. */
  readonly maxBytes?: number;
  /** Most signature lines. Default 100; the specification asks for at least 16. */
  readonly maxSignatures?: number;
}

/** A key that can check the signatures that carry its name and id. */
export interface NoteVerifier {
  readonly name: string;
  /** Key id, an unsigned 32-bit number. */
  readonly id: number;
  /** Whether `signature` (the bytes after the key id) is this key's signature over a note's text (its UTF-8 bytes). */
  verify(text: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/** A key that can sign notes. */
export interface NoteSigner {
  readonly name: string;
  /** Key id, an unsigned 32-bit number. */
  readonly id: number;
  /** The bytes to write after the key id, for a note's text (its UTF-8 bytes). */
  sign(text: Uint8Array): Promise<Uint8Array>;
}

/** A signature that has been verified, and the key that verified it. */
export interface VerifiedSignature<V extends NoteVerifier = NoteVerifier> extends NoteSignature {
  readonly verifier: V;
}

/** A note that at least one known key has signed, and no known key has a false signature on. */
export interface OpenedNote<V extends NoteVerifier = NoteVerifier> {
  readonly text: string;
  /** One signature for each known key that signed: its first line, if it has several. At least one. */
  readonly verified: readonly VerifiedSignature<V>[];
  /** Lines by unknown keys, which say nothing. */
  readonly unverified: readonly NoteSignature[];
}

/** Whether a string may name a key: not empty, well-formed, no Unicode space, no control character, no plus. */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the check for them
  return name !== "" && name.isWellFormed() && !/[\p{White_Space}\x00-\x1f+]/u.test(name);
}

/**
 * Parses a signed note. Nothing is verified: see `openNote`.
 * @throws TlogError NOTE_MALFORMED, NOTE_TOO_LARGE
 */
export function parseNote(input: Uint8Array | string, limits: NoteLimits = {}): Note {
  const note = readText(
    input,
    "signed note",
    limits.maxBytes ?? MAX_NOTE_BYTES,
    "NOTE_MALFORMED",
    "NOTE_TOO_LARGE",
  );
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw new TlogError("NOTE_MALFORMED", "signed note has no blank line before its signatures");
  return {
    text: note.slice(0, split + 1),
    signatures: parseSignatureLines(note.slice(split + 2), limits),
  };
}

/**
 * Parses signature lines that stand alone, such as a witness's answer. At least one line; each ends in a newline.
 * @throws TlogError NOTE_MALFORMED, NOTE_TOO_LARGE
 */
export function parseSignatureLines(input: Uint8Array | string, limits: NoteLimits = {}): NoteSignature[] {
  const maxSignatures = limits.maxSignatures ?? MAX_NOTE_SIGNATURES;
  const text = readText(
    input,
    "signature list",
    limits.maxBytes ?? MAX_NOTE_BYTES,
    "NOTE_MALFORMED",
    "NOTE_TOO_LARGE",
  );
  const lines = text.slice(0, -1).split("\n", maxSignatures + 1);
  if (lines.length > maxSignatures) {
    throw new TlogError("NOTE_TOO_LARGE", `signed note has more than ${maxSignatures} signatures`);
  }
  return lines.map(parseSignatureLine);
}

function parseSignatureLine(line: string, index: number): NoteSignature {
  const where = `signature line ${index + 1}`;
  const nameEnd = line.indexOf(" ", LINE_START.length);
  if (!line.startsWith(LINE_START) || nameEnd < 0) {
    throw new TlogError("NOTE_MALFORMED", `${where} is not "— <key name> <base64>"`);
  }
  const name = line.slice(LINE_START.length, nameEnd);
  if (!isKeyName(name)) throw new TlogError("NOTE_MALFORMED", `${where} has an invalid key name`);
  const encoded = line.slice(nameEnd + 1);
  const payload = recode("NOTE_MALFORMED", where, () => decodeBase64(encoded, encoded.length));
  if (payload.length <= KEY_ID_BYTES) throw new TlogError("NOTE_MALFORMED", `${where} has no signature`);
  return {
    name,
    id: new DataView(payload.buffer).getUint32(0),
    signature: payload.subarray(KEY_ID_BYTES),
  };
}

/**
 * Writes a signed note: the inverse of `parseNote`.
 * @throws TlogError NOTE_MALFORMED, NOTE_TOO_LARGE (the defaults of `parseNote`)
 */
export function formatNote(note: Note): string {
  checkText(note.text);
  const formatted = `${note.text}\n${formatSignatureLines(note.signatures)}`;
  readText(formatted, "signed note", MAX_NOTE_BYTES, "NOTE_MALFORMED", "NOTE_TOO_LARGE");
  return formatted;
}

/**
 * Writes signature lines: the inverse of `parseSignatureLines`.
 * @throws TlogError NOTE_MALFORMED, NOTE_TOO_LARGE
 */
export function formatSignatureLines(signatures: readonly NoteSignature[]): string {
  if (signatures.length === 0) throw new TlogError("NOTE_MALFORMED", "a note needs at least one signature");
  if (signatures.length > MAX_NOTE_SIGNATURES) {
    throw new TlogError("NOTE_TOO_LARGE", `a note takes at most ${MAX_NOTE_SIGNATURES} signatures`);
  }
  return signatures.map(formatSignatureLine).join("");
}

function formatSignatureLine({ name, id, signature }: NoteSignature): string {
  if (!isKeyName(name)) throw new TlogError("NOTE_MALFORMED", "signature has an invalid key name");
  if (id !== id >>> 0) throw new TlogError("NOTE_MALFORMED", `signature of ${name} has an invalid key id`);
  if (signature.length === 0) throw new TlogError("NOTE_MALFORMED", `signature of ${name} is empty`);
  const keyId = new Uint8Array(KEY_ID_BYTES);
  new DataView(keyId.buffer).setUint32(0, id);
  return `${LINE_START}${name} ${encodeBase64(concatBytes(keyId, signature))}\n`;
}

function checkText(text: string): void {
  readText(text, "note text", MAX_NOTE_BYTES, "NOTE_MALFORMED", "NOTE_TOO_LARGE");
}

/**
 * Verifies a note against the keys that the reader knows. Lines of unknown keys are ignored. Every line of a known key
 * must verify, repeated ones too: one false signature rejects the note. A key counts once, however often it signed.
 * @param note a parsed note, or the bytes or text of one
 * @throws TlogError SIGNATURE_INVALID; NOTE_UNSIGNED if no known key signed; KEY_AMBIGUOUS if two verifiers share name
 *   and id; and those of `parseNote`
 */
export async function openNote<V extends NoteVerifier>(
  note: Note | Uint8Array | string,
  verifiers: readonly V[],
  limits: NoteLimits = {},
): Promise<OpenedNote<V>> {
  const known = indexKeys(verifiers);
  const { text, signatures } =
    typeof note === "string" || note instanceof Uint8Array ? parseNote(note, limits) : note;
  const message = recode("NOTE_MALFORMED", "note text", () => encodeUtf8(text));

  const unverified: NoteSignature[] = [];
  const claimed: VerifiedSignature<V>[] = [];
  for (const line of signatures) {
    const verifier = known.get(keyOf(line));
    if (verifier === undefined) unverified.push(line);
    else claimed.push({ ...line, verifier });
  }
  const results = await Promise.all(claimed.map((line) => line.verifier.verify(message, line.signature)));
  const failed = claimed.find((_, i) => results[i] !== true);
  if (failed !== undefined) {
    throw new TlogError("SIGNATURE_INVALID", `signature by known key ${failed.name} does not verify`);
  }
  if (claimed.length === 0) {
    throw new TlogError("NOTE_UNSIGNED", `no signature by a known key among ${signatures.length}`);
  }
  const seen = new Set<V>();
  const verified = claimed.filter(({ verifier }) => !seen.has(verifier) && seen.add(verifier));
  return { text, verified, unverified };
}

/**
 * Signs a text and returns the whole note.
 * @param text the text, ending in a newline
 * @param existing signatures to keep, written before the new ones; those by one of `signers` are replaced
 * @throws TlogError NOTE_MALFORMED, NOTE_TOO_LARGE, KEY_AMBIGUOUS, and those of the signers
 */
export async function signNote(
  text: string,
  signers: readonly NoteSigner[],
  existing: readonly NoteSignature[] = [],
): Promise<string> {
  checkText(text);
  const signing = indexKeys(signers);
  const message = encodeUtf8(text);
  const added = await Promise.all(
    signers.map(async (signer) => ({
      name: signer.name,
      id: signer.id,
      signature: await signer.sign(message),
    })),
  );
  return formatNote({ text, signatures: [...existing.filter((s) => !signing.has(keyOf(s))), ...added] });
}

/** What tells keys apart. A name has no space, so that no two pairs share a string. */
function keyOf({ name, id }: { readonly name: string; readonly id: number }): string {
  return `${id} ${name}`;
}

function indexKeys<K extends { readonly name: string; readonly id: number }>(
  keys: readonly K[],
): Map<string, K> {
  const index = new Map(keys.map((key) => [keyOf(key), key]));
  if (index.size !== keys.length) {
    throw new TlogError("KEY_AMBIGUOUS", "two keys of the list share their name and id; remove one");
  }
  return index;
}
