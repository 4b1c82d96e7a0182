// Files of evidence: what a log signed and should not have, in a form that anyone can check offline with the log's key.
// docs/reference/evidence.md describes the format.

import { nixProtocol, parseStoreDir, rawProtocol } from "@trustix/nix";
import {
  createVerifier,
  decodeBase64,
  decodeBase64Exact,
  encodeBase64,
  encodeUtf8,
  equalBytes,
  leafHash,
  openCheckpoint,
  type TreeHead,
  verifyConsistency,
  verifyInclusion,
} from "@trustix/tlog";
import * as z from "zod";
import { TrustixError } from "../errors.ts";

/** Longest file that is read: two notes of 1 MiB, or two entries with their notes, in JSON. */
export const MAX_EVIDENCE_BYTES = 8 << 20;

/** An entry with the proof that it is in a log. */
export interface ProvenEntry {
  readonly entry: Uint8Array;
  readonly index: number;
  /** The inclusion proof, 32 bytes each, the leaf's sibling first. */
  readonly proof: readonly Uint8Array[];
  /** The signed checkpoint that the proof leads to. */
  readonly checkpoint: string;
}

/** Whose evidence it is. */
interface OfLog {
  readonly origin: string;
  /** The vkey that signed. Whether it is the log's is for the reader to know. */
  readonly key: string;
  /** When it was found, RFC 3339. Nothing proves it. */
  readonly found: string;
}

/** Evidence against a log. */
export type Evidence =
  /** Two signed checkpoints, neither of which extends the other. */
  | (OfLog & {
      readonly kind: "fork";
      /** The smaller tree, or either of two of one size. */
      readonly older: string;
      readonly newer: string;
      /**
       * Unless the sizes are equal: the root that the newer tree's first entries have, as many as the older tree has. It is
       * missing when the log did not give the hashes that prove it; then the notes alone prove nothing.
       */
      readonly prefix?: {
        readonly root: Uint8Array;
        /** Consistency proof from that root to the newer tree. */
        readonly proof: readonly Uint8Array[];
      };
    })
  /** A smaller checkpoint that was served after a larger one. */
  | (OfLog & { readonly kind: "rollback"; readonly older: string; readonly newer: string })
  /** Two entries of one log that state different things of one key. */
  | (OfLog & {
      readonly kind: "contradiction";
      readonly protocol: "nix" | "raw";
      /** Directory of the store paths, for `nix`. Default `/nix/store`. */
      readonly storeDir?: string;
      readonly entries: readonly [ProvenEntry, ProvenEntry];
    });

/** What a file of evidence was found to show. */
export interface EvidenceVerdict {
  readonly kind: Evidence["kind"];
  readonly origin: string;
  readonly key: string;
  /**
   * Whether it proves by itself what its kind says of the holder of the key. A rollback does not: old checkpoints are
   * genuine, and whoever served one need not be the log. Nor does a fork between two sizes without its `prefix`. A
   * contradiction is proven, but may be innocent: a package that does not build reproducibly, built twice.
   */
  readonly isProof: boolean;
  /** What is shown, one sentence for people. */
  readonly summary: string;
}

const FORMAT = "trustix-evidence/1";
/** Hashes of a proof: a tree has at most 53 levels here. */
const MAX_HASHES = 128;

const note = z.string().max(1 << 20);
const bytes = z.base64().max(1 << 18);
const hashes = z.array(z.base64().length(44)).max(MAX_HASHES);
const index = z.int().min(0);
const ofLog = {
  format: z.literal(FORMAT),
  origin: z.string().min(1).max(1024),
  key: z.string().min(1).max(4096),
  found: z.string().max(64),
};
const provenEntry = z.strictObject({ entry: bytes, index, proof: hashes, checkpoint: note });
const schema = z.discriminatedUnion("kind", [
  z.strictObject({
    ...ofLog,
    kind: z.literal("fork"),
    older: note,
    newer: note,
    prefix: z.strictObject({ root: z.base64().length(44), proof: hashes }).optional(),
  }),
  z.strictObject({ ...ofLog, kind: z.literal("rollback"), older: note, newer: note }),
  z.strictObject({
    ...ofLog,
    kind: z.literal("contradiction"),
    protocol: z.enum(["nix", "raw"]),
    storeDir: z.string().max(1024).optional(),
    entries: z.tuple([provenEntry, provenEntry]),
  }),
]);

/** Writes a file of evidence. Inverse of {@link parseEvidence}. */
export function formatEvidence(evidence: Evidence): Uint8Array {
  const replace = (_: string, value: unknown) => (value instanceof Uint8Array ? encodeBase64(value) : value);
  const { origin, key, found, kind, ...rest } = evidence;
  const text = JSON.stringify({ format: FORMAT, kind, origin, key, found, ...rest }, replace, 2);
  return encodeUtf8(`${text}\n`);
}

/**
 * Reads a file of evidence. Nothing in it is verified: see {@link verifyEvidence}.
 *
 * Throws `EVIDENCE_INVALID`.
 */
export function parseEvidence(file: Uint8Array): Evidence {
  if (file.length > MAX_EVIDENCE_BYTES) throw invalid(`it has more than ${MAX_EVIDENCE_BYTES} bytes`);
  try {
    const { format: _, ...raw } = schema.parse(
      JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file)),
    );
    switch (raw.kind) {
      case "fork": {
        const { prefix, ...rest } = raw;
        return prefix === undefined
          ? rest
          : { ...rest, prefix: { root: parseHash(prefix.root), proof: prefix.proof.map(parseHash) } };
      }
      case "rollback":
        return raw;
      case "contradiction": {
        const { entries, storeDir, ...rest } = raw;
        const [first, second] = entries;
        return {
          ...rest,
          ...(storeDir === undefined ? {} : { storeDir: parseStoreDir(storeDir) }),
          entries: [parseEntry(first), parseEntry(second)],
        };
      }
      default:
        return raw satisfies never;
    }
  } catch (cause) {
    throw invalid("it is malformed", cause);
  }
}

function parseEntry(raw: z.output<typeof provenEntry>): ProvenEntry {
  return {
    entry: decodeBase64(raw.entry, raw.entry.length),
    index: raw.index,
    proof: raw.proof.map(parseHash),
    checkpoint: raw.checkpoint,
  };
}

function parseHash(text: string): Uint8Array {
  return decodeBase64Exact(text, 32);
}

/**
 * Checks a file of evidence, offline. It shows something of the holder of `verdict.key`; that this is the log one has in
 * mind is for the reader to compare.
 *
 * Throws `EVIDENCE_INVALID` when the file is malformed or does not show what it says.
 */
export async function verifyEvidence(file: Uint8Array): Promise<EvidenceVerdict> {
  const evidence = parseEvidence(file);
  const { kind, origin, key } = evidence;
  try {
    return { kind, origin, key, ...(await judge(evidence)) };
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    throw invalid(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

async function judge(evidence: Evidence): Promise<Pick<EvidenceVerdict, "isProof" | "summary">> {
  const trust = { origin: evidence.origin, logs: [createVerifier(evidence.key)] };
  const open = async (text: string): Promise<TreeHead> => (await openCheckpoint(text, trust)).checkpoint;
  switch (evidence.kind) {
    case "fork": {
      const [older, newer] = [await open(evidence.older), await open(evidence.newer)];
      const isProof = checkFork(older, newer, evidence.prefix);
      const summary =
        older.size === newer.size
          ? `${evidence.origin} signed two different trees of ${older.size} entries.`
          : isProof
            ? `${evidence.origin} signed a tree of ${newer.size} entries that does not begin with the ${older.size} entries of another tree that it signed.`
            : `${evidence.origin} signed trees of ${older.size} and ${newer.size} entries; that the one does not extend the other is not shown here.`;
      return { isProof, summary };
    }
    case "rollback": {
      const [older, newer] = [await open(evidence.older), await open(evidence.newer)];
      if (older.size >= newer.size) throw invalid("the checkpoint that is said to be smaller is not");
      const summary = `${evidence.origin} had signed a tree of ${newer.size} entries when one of ${older.size} was served. Both are genuine; this alone does not say who served the old one.`;
      return { isProof: false, summary };
    }
    case "contradiction": {
      const protocol = evidence.protocol === "nix" ? nixProtocol(evidence.storeDir) : rawProtocol;
      const claims = [];
      for (const { entry, index, proof, checkpoint } of evidence.entries) {
        verifyInclusion(leafHash(entry), index, await open(checkpoint), proof);
        claims.push(protocol.parseEntry(entry));
      }
      const [first, second] = claims as [(typeof claims)[0], (typeof claims)[0]];
      if (!equalBytes(first.key, second.key)) throw invalid("the two entries are about different keys");
      if (first.statement === second.statement) throw invalid("the two entries say the same");
      const summary = `${evidence.origin} states both ${JSON.stringify(first.statement)} and ${JSON.stringify(second.statement)}.`;
      return { isProof: true, summary };
    }
    default:
      return evidence satisfies never;
  }
}

/** Whether the two trees are shown to contradict each other. */
function checkFork(
  older: TreeHead,
  newer: TreeHead,
  prefix: Extract<Evidence, { kind: "fork" }>["prefix"],
): boolean {
  if (older.size > newer.size) throw invalid("the older tree is larger than the newer one");
  if (older.size === newer.size) {
    if (equalBytes(older.root, newer.root)) throw invalid("the two checkpoints agree");
    return true;
  }
  // The empty tree is a beginning of every tree, whatever a note may call its root.
  if (older.size === 0) throw invalid("the older tree is empty");
  if (prefix === undefined) return false;
  verifyConsistency({ size: older.size, root: prefix.root }, newer, prefix.proof);
  if (equalBytes(prefix.root, older.root)) throw invalid("the newer tree begins with the older one");
  return true;
}

function invalid(why: string, cause?: unknown): TrustixError {
  return new TrustixError("EVIDENCE_INVALID", `this evidence proves nothing: ${why}`, { cause });
}
