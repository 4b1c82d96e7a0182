/**
 * Claim protocol `nix`: a builder's word on one store path.
 *
 *     1;/nix/store/…-hello;sha256:…;226560;/nix/store/…-glibc      statement: the fingerprint Nix signs
 *     deriver …-hello.drv                                          base name, ends in .drv
 *     system x86_64-linux                                          letters, digits, _ and -, at most 64
 *     kind built                                                   built | rebuilt | imported
 *     sig cache.example.org-1:…                                    Nix signature over the whole fingerprint
 *
 * Attributes are optional and come in this order; only `sig` may repeat, strictly ascending, at most 16 times. Lines
 * of later versions follow after these, strictly ascending, and are kept as extensions, so that old readers still
 * count the statement.
 *
 * References of more than 32 KiB do not fit an entry: their field then holds `#sha256:<hex>`, the SHA-256 of the text
 * it stands for. Every builder does so at the same length, so that agreeing builders still write equal statements.
 */

import { decodeHex, encodeHex, encodeUtf8, equalBytes } from "../encoding.ts";
import { NixError, quote } from "../errors.ts";
import {
  type Fingerprinted,
  formatFingerprint,
  formatFingerprintHead,
  formatReferences,
  parseFingerprintFields,
  parseReferences,
} from "../fingerprint.ts";
import { formatSignature, parseSignature, type Signature } from "../keys.ts";
import { sha256 } from "../sha256.ts";
import { baseNameOf, DEFAULT_STORE_DIR, hashPartOf, parseBaseName, type StorePath } from "../store-path.ts";
import {
  type Attribute,
  decodeEntry,
  encodeEntry,
  entryInvalid,
  mapKey,
  type Protocol,
  type ProtocolEntry,
} from "./protocol.ts";

/** How the builder came to the result: first build, deliberate second build, or taken from its store's past. */
export type NixClaimKind = "built" | "rebuilt" | "imported";

/** A statement read. Exactly one of `references` and `referencesDigest` is present. */
export interface NixStatement extends Omit<Fingerprinted, "references"> {
  /** Sorted full paths, when they are in the statement. */
  readonly references?: readonly StorePath[] | undefined;
  /** SHA-256 of the references' text, when they are too long; see `verifyReferences`. */
  readonly referencesDigest?: Uint8Array | undefined;
}

/** The attributes of an entry. */
export interface NixAttributes {
  readonly deriver?: StorePath | undefined;
  /** Such as `x86_64-linux`. */
  readonly system?: string | undefined;
  readonly kind?: NixClaimKind | undefined;
  /** Nix signatures over the whole fingerprint. None of them is verified yet. Default none. */
  readonly signatures?: readonly Signature[];
  /** Attributes of later versions. Default none. */
  readonly extensions?: readonly Attribute[];
}

/** An entry read. */
export interface NixEntry extends NixAttributes {
  readonly statement: NixStatement;
}

/** Longest text of references that stands in a statement itself, in bytes. */
export const MAX_INLINE_REFERENCES_LENGTH = 32 * 1024;

/** Most `sig` lines of an entry, and most extension lines. */
const MAX_REPEATED = 16;

const DIGEST_PREFIX = "#sha256:";

/** The statement that any builder with these facts makes: fingerprint, long references replaced by their digest. */
export function formatNixStatement(facts: Fingerprinted): string {
  const references = formatReferences(facts.references);
  if (references.length <= MAX_INLINE_REFERENCES_LENGTH) return formatFingerprintHead(facts) + references;
  return `${formatFingerprintHead(facts)}${DIGEST_PREFIX}${encodeHex(sha256(encodeUtf8(references)))}`;
}

/**
 * Reads a statement; accepts only what `formatNixStatement` can give.
 * @throws NixError `FINGERPRINT_INVALID`, `TOO_LARGE`
 */
export function parseNixStatement(text: string, storeDir: string = DEFAULT_STORE_DIR): NixStatement {
  const { storePath, narHash, narSize, referencesStart } = parseFingerprintFields(text, storeDir);
  if (text.charCodeAt(referencesStart) !== 0x23) {
    if (text.length - referencesStart > MAX_INLINE_REFERENCES_LENGTH) {
      throw new NixError(
        "FINGERPRINT_INVALID",
        "references of more than 32 KiB stand in a statement as their digest",
      );
    }
    return { storePath, narHash, narSize, references: parseReferences(text, referencesStart, storeDir) };
  }
  const hex = text.slice(referencesStart + DIGEST_PREFIX.length);
  if (!text.startsWith(DIGEST_PREFIX, referencesStart) || !/^[0-9a-f]{64}$/.test(hex)) {
    throw new NixError("FINGERPRINT_INVALID", "a digest of references is #sha256:<64 lower-case hex digits>");
  }
  return { storePath, narHash, narSize, referencesDigest: decodeHex(hex) };
}

/**
 * The whole facts of a statement, with references from elsewhere (a narinfo) where it has only their digest.
 * @param references in any order; for a statement that has its own they must be the same
 * @throws NixError `REFERENCES_MISMATCH` when they are not the ones that were stated
 */
export function verifyReferences(statement: NixStatement, references: readonly StorePath[]): Fingerprinted {
  const { storePath, narHash, narSize } = statement;
  const text = formatReferences(references);
  const agrees =
    statement.referencesDigest === undefined
      ? text === formatReferences(statement.references ?? [])
      : text.length > MAX_INLINE_REFERENCES_LENGTH &&
        equalBytes(sha256(encodeUtf8(text)), statement.referencesDigest);
  if (!agrees) {
    throw new NixError(
      "REFERENCES_MISMATCH",
      `these are not the stated references of ${quote(storePath, 300)}`,
    );
  }
  return { storePath, narHash, narSize, references };
}

/** Map key of a store path: of its hash part, whatever its name and store directory. */
export function nixMapKey(path: StorePath): Uint8Array {
  return mapKey("nix", encodeUtf8(hashPartOf(path)));
}

/** Places of the attributes; extensions come last. */
const KNOWN_ATTRIBUTES: readonly string[] = ["deriver", "system", "kind", "sig"];
const SIG_RANK = 3;
const EXTENSION_RANK = 4;

function rankOf(name: string): number {
  const index = KNOWN_ATTRIBUTES.indexOf(name);
  return index < 0 ? EXTENSION_RANK : index;
}

/** Order of whole lines: no name has a character at or below the space that ends it. */
function isBefore(a: Attribute, b: Attribute): boolean {
  return a.name < b.name || (a.name === b.name && a.value < b.value);
}

function isKind(text: string): text is NixClaimKind {
  return text === "built" || text === "rebuilt" || text === "imported";
}

function signatureText(signature: Signature): string {
  try {
    return formatSignature(signature);
  } catch (cause) {
    throw entryInvalid("a signature cannot be written", cause);
  }
}

function attributeLines(entry: NixAttributes): Attribute[] {
  const lines: Attribute[] = [];
  const { deriver, system, kind, signatures = [], extensions = [] } = entry;
  if (deriver !== undefined) lines.push({ name: "deriver", value: baseNameOf(deriver) });
  if (system !== undefined) lines.push({ name: "system", value: system });
  if (kind !== undefined) lines.push({ name: "kind", value: kind });
  const texts = new Set(signatures.map(signatureText));
  for (const value of [...texts].sort()) lines.push({ name: "sig", value });
  for (const extension of extensions) {
    if (rankOf(extension.name) !== EXTENSION_RANK) throw entryInvalid(`${extension.name} is no extension`);
    lines.push(extension);
  }
  return lines;
}

/** Reads checked lines; throws for a bad name, value, order or number. */
function readAttributes(lines: readonly Attribute[], storeDir: string): NixAttributes {
  let deriver: StorePath | undefined;
  let system: string | undefined;
  let kind: NixClaimKind | undefined;
  const signatures: Signature[] = [];
  const extensions: Attribute[] = [];
  let previousRank = -1;
  let previous: Attribute = { name: "", value: "" };
  for (const attribute of lines) {
    const { name, value } = attribute;
    const rank = rankOf(name);
    const ascends =
      rank > previousRank || (rank === previousRank && rank >= SIG_RANK && isBefore(previous, attribute));
    if (!ascends) throw entryInvalid(`attribute ${quote(name)} is out of order or repeated`);
    previousRank = rank;
    previous = attribute;
    switch (name) {
      case "deriver":
        try {
          deriver = parseBaseName(value, storeDir);
        } catch (cause) {
          throw entryInvalid("deriver is not a base name", cause);
        }
        if (!value.endsWith(".drv")) throw entryInvalid("deriver does not end in .drv");
        break;
      case "system":
        if (!/^[0-9A-Za-z_-]{1,64}$/.test(value)) throw entryInvalid(`not a system: ${quote(value)}`);
        system = value;
        break;
      case "kind":
        if (!isKind(value)) throw entryInvalid(`not a kind: ${quote(value)}`);
        kind = value;
        break;
      case "sig":
        try {
          signatures.push(parseSignature(value));
        } catch (cause) {
          throw entryInvalid("sig is not a signature", cause);
        }
        break;
      default:
        if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw entryInvalid(`not an attribute name: ${quote(name)}`);
        if (!/^[ -~]{1,1024}$/.test(value))
          throw entryInvalid(`value of ${name} is not 1 to 1,024 printable ASCII`);
        extensions.push(attribute);
    }
    if (signatures.length > MAX_REPEATED || extensions.length > MAX_REPEATED) {
      throw entryInvalid(`more than ${MAX_REPEATED} lines of a kind`);
    }
  }
  return { deriver, system, kind, signatures, extensions };
}

function splitEntry(entry: Uint8Array): { readonly statement: string; readonly attributes: Attribute[] } {
  const { statement, rest: text } = decodeEntry(entry);
  const attributes: Attribute[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const space = text.indexOf(" ", start);
    if (space < 0 || space > end) throw entryInvalid("an attribute line is <name> <value>");
    attributes.push({ name: text.slice(start, space), value: text.slice(space + 1, end) });
    start = end + 1;
  }
  return { statement, attributes };
}

function readStatement(text: string, storeDir: string): NixStatement {
  try {
    return parseNixStatement(text, storeDir);
  } catch (cause) {
    throw entryInvalid("the statement is malformed", cause);
  }
}

function joinEntry(statement: string, attributes: readonly Attribute[]): Uint8Array {
  let text = `${statement}\n`;
  for (const { name, value } of attributes) text += `${name} ${value}\n`;
  return encodeEntry(text);
}

/**
 * Reads an entry with its statement and attributes; accepts canonical entries only.
 * @throws NixError `ENTRY_INVALID`, `ENTRY_TOO_LARGE`
 */
export function parseNixEntry(entry: Uint8Array, storeDir: string = DEFAULT_STORE_DIR): NixEntry {
  const { statement, attributes } = splitEntry(entry);
  return { statement: readStatement(statement, storeDir), ...readAttributes(attributes, storeDir) };
}

/**
 * The entry for the facts of a path. Signatures are sorted and made unique.
 * @throws NixError `FINGERPRINT_INVALID`, `ENTRY_INVALID` for bad attributes, `ENTRY_TOO_LARGE`
 */
export function formatNixEntry(facts: Fingerprinted, attributes: NixAttributes = {}): Uint8Array {
  const lines = attributeLines(attributes);
  readAttributes(lines, facts.storePath.slice(0, facts.storePath.lastIndexOf("/")));
  return joinEntry(formatNixStatement(facts), lines);
}

/**
 * The text that the `sig` attributes of an entry and the `Sig` lines of a narinfo cover.
 * @throws NixError `REFERENCES_MISMATCH` when the statement has only a digest and no references are given
 */
export function signedText(
  statement: NixStatement,
  references: readonly StorePath[] = statement.references ?? [],
): string {
  return formatFingerprint(verifyReferences(statement, references));
}

/**
 * The protocol `nix` for paths of one store directory.
 * @param storeDir default `/nix/store`
 */
export function nixProtocol(storeDir: string = DEFAULT_STORE_DIR): Protocol {
  return {
    name: "nix",
    parseEntry(entry): ProtocolEntry {
      const { statement, attributes } = splitEntry(entry);
      const { storePath } = readStatement(statement, storeDir);
      readAttributes(attributes, storeDir);
      return { key: nixMapKey(storePath), statement, attributes };
    },
    formatEntry({ statement, attributes }): Uint8Array {
      readStatement(statement, storeDir);
      readAttributes(attributes, storeDir);
      return joinEntry(statement, attributes);
    },
  };
}
