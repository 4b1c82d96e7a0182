// A folder of proofs that many builders' logs give, with a manifest: what `trustix suspects --evidence` writes. Whoever gets
// it checks it offline; nothing in it is taken for true before. docs/reference/evidence.md describes the format.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { nixProtocol, parseStoreDir } from "@trustix/nix";
import { MAX_TLOG_PROOF_BYTES } from "@trustix/tlog";
import * as z from "zod";
import { TrustixError } from "../errors.ts";
import { intervalSchema } from "../http/insight-schema.ts";
import { verifyProofFile } from "./proof-file.ts";

const FORMAT = "trustix-proofs/1";
export const MANIFEST = "manifest.json";
const MAX_MANIFEST_BYTES = 64 << 20;

const text = z.string().max(65_536);
const label = z.string().max(255);
/** `<hash part>-<name>/<subscription>-<index>.tlog-proof`: one folder down, and nowhere else. */
const fileName = z
  .string()
  .max(600)
  .regex(/^[0-9a-z]{32}-[0-9A-Za-z+._?=-]{1,211}\/[0-9A-Za-z._-]{1,200}\.tlog-proof$/);

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  made: z.iso.datetime(),
  storeDir: z.string().max(1024),
  logs: z
    .array(z.strictObject({ subscription: label, operator: label, origin: text, vkey: text }))
    .max(10_000),
  suspicions: z
    .array(
      z.strictObject({
        operators: z.array(label).max(1000),
        probability: z.number(),
        rate: intervalSchema,
        paths: z.number(),
      }),
    )
    .max(1000),
  claims: z
    .array(
      z.strictObject({
        storePath: z.string().max(2048),
        operator: label,
        subscription: label,
        index: z.int().min(0).nullable(),
        statement: text,
        file: fileName.nullable(),
        reason: text.nullable(),
      }),
    )
    .max(1_000_000),
});

/** What a folder says that it has. */
export type ProofManifest = z.output<typeof manifestSchema>;

/** The text of a manifest. */
export function formatManifest(manifest: Omit<ProofManifest, "format">): string {
  return `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`;
}

/** One path of a folder: what was stated, and whose logs prove it. */
export interface ProvenPath {
  readonly storePath: string;
  readonly statements: readonly { readonly statement: string; readonly operators: readonly string[] }[];
}

/** What a folder was found to prove. */
export interface FolderVerdict {
  readonly manifest: ProofManifest;
  /** Proofs that were checked; all of them hold. */
  readonly proofs: number;
  /** Claims of the manifest that nothing proves. */
  readonly unproven: number;
  readonly paths: readonly ProvenPath[];
}

/**
 * Checks a folder. That a vkey is the builder's is for the reader to compare.
 * @throws TrustixError `NOT_FOUND` for a file that cannot be read, `EVIDENCE_INVALID` when a proof does not hold or is about
 *   something else than the manifest says
 */
export async function verifyProofFolder(directory: string): Promise<FolderVerdict> {
  const manifest = parseManifest(await readBounded(join(directory, MANIFEST), MAX_MANIFEST_BYTES));
  const protocol = nixProtocol(parseStoreDir(manifest.storeDir));
  const logs = new Map(manifest.logs.map((log) => [log.subscription, log]));
  const paths = new Map<string, Map<string, Set<string>>>();
  let proofs = 0;
  for (const claim of manifest.claims) {
    const { file, storePath, subscription, operator, statement } = claim;
    if (file === null) continue;
    const log = logs.get(subscription);
    if (log === undefined || log.operator !== operator) throw invalid(`${file} is of no log in ${MANIFEST}`);
    const bytes = await readBounded(join(directory, file), MAX_TLOG_PROOF_BYTES);
    let found: { readonly statement: string; readonly index: number };
    try {
      const { entry, index } = await verifyProofFile(bytes, log);
      found = { statement: protocol.parseEntry(entry).statement, index };
    } catch (cause) {
      throw invalid(`${file} does not hold: ${cause instanceof Error ? cause.message : cause}`, cause);
    }
    if (
      found.statement !== statement ||
      found.index !== claim.index ||
      statement.split(";", 2)[1] !== storePath
    ) {
      throw invalid(`${file} is about something else than ${MANIFEST} says`);
    }
    const statements = paths.get(storePath) ?? new Map<string, Set<string>>();
    paths.set(storePath, statements);
    statements.set(statement, (statements.get(statement) ?? new Set<string>()).add(operator));
    proofs++;
  }
  return {
    manifest,
    proofs,
    unproven: manifest.claims.length - proofs,
    paths: [...paths].map(([storePath, statements]) => ({
      storePath,
      statements: [...statements]
        .map(([statement, operators]) => ({ statement, operators: [...operators] }))
        .sort((a, b) => b.operators.length - a.operators.length),
    })),
  };
}

function parseManifest(bytes: Uint8Array): ProofManifest {
  try {
    return manifestSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw invalid(`${MANIFEST} is malformed`, cause);
  }
}

/** @throws TrustixError `NOT_FOUND`, `EVIDENCE_INVALID` when the file is larger, or no file */
export async function readBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    // Whoever made the folder may have put a pipe there, at which a reader would wait for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) throw invalid(`${path} is no file`);
    const { size } = stats;
    if (size > maxBytes) throw invalid(`${path} has more than ${maxBytes} bytes`);
    const bytes = Buffer.alloc(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    return bytes.subarray(0, bytesRead);
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new TrustixError("NOT_FOUND", `${path} cannot be read (${code})`, { cause });
  }
}

function invalid(message: string, cause?: unknown): TrustixError {
  return new TrustixError("EVIDENCE_INVALID", message, { cause });
}
