// Makes evidence of what a log did, and keeps it in files: notes that it signed, and entries with their proofs.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { DEFAULT_STORE_DIR } from "@trustix/nix";
import { proveConsistency, subtreeHash, TlogError, type VerifiedTiles } from "@trustix/tlog";
import type { DurableFiles } from "../store/durable-files.ts";
import type { StoredHead } from "./claim-writer.ts";
import { type Evidence, formatEvidence, type ProvenEntry } from "./evidence.ts";
import type { LogSubscription } from "./options.ts";

/** What evidence works with. */
export interface LogEvidenceDeps {
  /** Where evidence is written. */
  readonly files: DurableFiles;
  readonly evidenceDirectory: string;
  /** Directory of the store paths that the log speaks of. */
  readonly storeDir: string;
  readonly now: () => number;
}

/** Evidence against one log. */
export class LogEvidence {
  readonly #subscription: LogSubscription;
  readonly #deps: LogEvidenceDeps;

  constructor(subscription: LogSubscription, deps: LogEvidenceDeps) {
    this.#subscription = subscription;
    this.#deps = deps;
  }

  /** Keeps two checkpoints of which the one shown later is the older one, and returns the file. */
  keepRollback(older: StoredHead, newer: StoredHead): Promise<string> {
    return this.#keep({ kind: "rollback", ...this.#ofLog(), older: older.note, newer: newer.note });
  }

  /**
   * Keeps two checkpoints of which neither extends the other, and returns the file.
   * @param tiles of the newer tree, to prove how it begins, if the log gives what that needs
   */
  async keepFork(
    older: StoredHead,
    newer: StoredHead,
    tiles?: VerifiedTiles,
    signal?: AbortSignal,
  ): Promise<string> {
    const prefix = tiles && (await prefixOf(older.size, newer.size, tiles, signal));
    return this.#keep({
      kind: "fork",
      ...this.#ofLog(),
      older: older.note,
      newer: newer.note,
      ...(prefix === undefined ? {} : { prefix }),
    });
  }

  /** Two entries that state different things of one subject. */
  contradiction(entries: readonly [ProvenEntry, ProvenEntry]): Evidence {
    const { protocol = "nix" } = this.#subscription;
    const { storeDir } = this.#deps;
    return {
      kind: "contradiction",
      ...this.#ofLog(),
      protocol,
      ...(protocol === "nix" && storeDir !== DEFAULT_STORE_DIR ? { storeDir } : {}),
      entries,
    };
  }

  /**
   * Writes a file of evidence and returns its path. A log can fork once before it is cleared, but go back at every look:
   * of that only the last file is kept.
   */
  async #keep(evidence: Evidence & { readonly kind: "fork" | "rollback" }): Promise<string> {
    const { files, evidenceDirectory } = this.#deps;
    const hash = createHash("sha256").update(`${evidence.origin}\n${evidence.key}\n`);
    if (evidence.kind === "fork") hash.update(evidence.older).update(evidence.newer);
    const id = hash.digest("hex").slice(0, 16);
    const path = join(evidenceDirectory, `${evidence.kind}-${id}.json`);
    await files.write([{ path, bytes: formatEvidence(evidence) }]);
    return path;
  }

  #ofLog(): Pick<Evidence, "origin" | "key" | "found"> {
    const { origin, key } = this.#subscription;
    return { origin, key, found: new Date(this.#deps.now()).toISOString() };
  }
}

/** How the newer tree begins, proven; `undefined` when the log does not give the hashes for it. */
async function prefixOf(
  size: number,
  newerSize: number,
  tiles: VerifiedTiles,
  signal: AbortSignal | undefined,
): Promise<{ root: Uint8Array; proof: readonly Uint8Array[] } | undefined> {
  const reading = signal === undefined ? {} : { signal };
  try {
    const root = await subtreeHash(0, size, tiles, reading);
    return { root, proof: await proveConsistency(size, newerSize, tiles, reading) };
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}
