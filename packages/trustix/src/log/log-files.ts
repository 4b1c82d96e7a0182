// Where one log keeps its files, and how its checkpoints are stored, published, and told from someone else's.
//
//     <directory>/checkpoint      the last signed checkpoint: the log's truth, written before it is published
//     <directory>/journal/        acknowledged entries, see journal.ts
//     <directory>/index.db        see claim-index.ts
//     <directory>/evidence/       signed notes that contradict each other
//     <directory>/public/         what is served: checkpoint, tile/…; nothing else goes in there

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import {
  bundlePath,
  createVerifier,
  decodeBundle,
  formatVerifierKey,
  type KeySigner,
  maxBundleBytes,
  openCheckpoint,
  TILE_WIDTH,
  type TileSource,
  TlogError,
} from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { DurableFiles, type FileContent } from "../store/durable-files.ts";
import { type FileSystem, systemErrorCode } from "../store/file-system.ts";

/** Largest checkpoint note that is read: room for a hundred witnesses. */
const MAX_NOTE_BYTES = 1 << 20;

/** A signed checkpoint of this log. */
export interface LogHead {
  /** Number of entries. */
  readonly size: number;
  /** Root hash, 32 bytes. */
  readonly root: Uint8Array;
  /** The whole signed note. */
  readonly note: Uint8Array;
}

/** The files of one log. */
export class LogFiles {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly origin: string;
  readonly signer: KeySigner;
  /** The served tiles and bundles, as the transparency-log package reads them. */
  readonly source: TileSource;
  readonly #durable: DurableFiles;

  constructor(fs: FileSystem, directory: string, origin: string, signer: KeySigner) {
    this.fs = fs;
    this.directory = directory;
    this.origin = origin;
    this.signer = signer;
    this.#durable = new DurableFiles(fs, directory);
    this.source = { fetch: (path, { maxBytes }) => fs.readFile(join(this.publicDirectory, path), maxBytes) };
  }

  /** The directory to serve. */
  get publicDirectory(): string {
    return join(this.directory, "public");
  }

  get journalDirectory(): string {
    return join(this.directory, "journal");
  }

  get indexPath(): string {
    return join(this.directory, "index.db");
  }

  /** 32 bytes that are another log's with another origin or key. */
  get logId(): Uint8Array {
    return createHash("sha256")
      .update(`${this.origin}\n${formatVerifierKey(this.signer.key)}\n`)
      .digest();
  }

  /** Writes files of the log, paths as in the tlog-tiles specification. Throws the system's error. */
  writePublic(files: readonly FileContent[]): Promise<void> {
    return this.#durable.write(
      files.map(({ path, bytes }) => ({ path: join(this.publicDirectory, path), bytes })),
    );
  }

  /** Makes a signed checkpoint the one to go on from, whatever happens. Throws the system's error. */
  storeCheckpoint(note: Uint8Array): Promise<void> {
    return this.#durable.write([{ path: join(this.directory, "checkpoint"), bytes: note }]);
  }

  /** Shows a checkpoint to the world. Throws the system's error. */
  publishCheckpoint(note: Uint8Array): Promise<void> {
    return this.writePublic([{ path: "checkpoint", bytes: note }]);
  }

  /** The stored checkpoint, if there is one. Throws as {@link openHead} does. */
  async storedHead(): Promise<LogHead | undefined> {
    return this.#headAt(join(this.directory, "checkpoint"));
  }

  /** The published checkpoint, if there is one. Throws as {@link openHead} does. */
  async publishedHead(): Promise<LogHead | undefined> {
    return this.#headAt(join(this.publicDirectory, "checkpoint"));
  }

  /**
   * Reads and verifies a checkpoint note of this log. `where` says in messages where it comes from.
   *
   * Throws `LOG_MISMATCH` when it is of another log or signed by another key, `STATE_CORRUPT` when it is damaged.
   */
  async openHead(note: Uint8Array, where: string): Promise<LogHead> {
    try {
      const trust = { origin: this.origin, logs: [createVerifier(this.signer.key)] };
      const { checkpoint } = await openCheckpoint(note, trust);
      return { size: checkpoint.size, root: checkpoint.root, note };
    } catch (cause) {
      if (!(cause instanceof TlogError)) throw cause;
      if (cause.code === "ORIGIN_MISMATCH" || cause.code === "NOTE_UNSIGNED") {
        throw new TrustixError("LOG_MISMATCH", `${where} is not of log ${this.origin} with this key`, {
          hint: "A log's origin and key never change. Configure the ones it was made with, or start a log of another name.",
          cause,
        });
      }
      throw new TrustixError("STATE_CORRUPT", `${where} is damaged: ${cause.message}`, {
        hint: "Check the disk, and restore the newest copy of the state directory.",
        cause,
      });
    }
  }

  /** The directory beside this one that holds a log of the same origin, if there is one. Throws the system's error. */
  async findTwin(): Promise<string | undefined> {
    const logs = dirname(this.directory);
    for (const name of await this.fs.list(logs)) {
      const directory = join(logs, name);
      if (directory === this.directory) continue;
      const note = await this.fs
        .readFile(join(directory, "checkpoint"), MAX_NOTE_BYTES)
        .catch(ignoreNoDirectory);
      if (note && Buffer.from(note).toString("utf8").split("\n", 1)[0] === this.origin) return directory;
    }
    return undefined;
  }

  /** Keeps two contradicting notes for others to judge, and returns the directory. */
  async keepEvidence(notes: Readonly<Record<string, Uint8Array>>): Promise<string> {
    const id = createHash("sha256");
    for (const note of Object.values(notes)) id.update(note);
    const directory = join(this.directory, "evidence", id.digest("hex").slice(0, 16));
    await this.#durable.write(
      Object.entries(notes).map(([name, bytes]) => ({ path: join(directory, name), bytes })),
    );
    return directory;
  }

  /**
   * The entries of bundle number `bundle` of a published tree of `size` entries; views of one buffer.
   *
   * Throws `STATE_CORRUPT` when they are missing or damaged, and the system's errors.
   */
  async readBundle(bundle: number, size: number): Promise<Uint8Array[]> {
    const width = Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH);
    // A partial bundle may be gone, because the log has grown since; then there is the full one.
    for (const stored of width === TILE_WIDTH ? [width] : [width, TILE_WIDTH]) {
      const path = bundlePath({ index: bundle, width: stored });
      const bytes = await this.source.fetch(path, { maxBytes: maxBundleBytes(stored) });
      if (!bytes) continue;
      try {
        return decodeBundle(bytes, stored).slice(0, width);
      } catch (cause) {
        throw this.unreadable(cause);
      }
    }
    const path = bundlePath({ index: bundle, width });
    throw this.unreadable(new TlogError("RESOURCE_MISSING", `${path} is missing`, { path }));
  }

  /** The error for files that are missing, do not hash to what was signed, or could not be read. */
  unreadable(cause: unknown): TrustixError {
    const text = cause instanceof Error ? cause.message : String(cause);
    const isDamaged = cause instanceof TlogError && cause.code !== "FETCH_FAILED";
    return new TrustixError(isDamaged ? "STATE_CORRUPT" : "STORAGE_FAILED", `log ${this.origin}: ${text}`, {
      hint: `Check the disk of ${this.directory}; if the files are damaged, restore the newest copy of the state directory.`,
      cause,
    });
  }

  /** Removes a directory of partial tiles or bundles whose full one is published. */
  removePartials(path: string): Promise<void> {
    return this.#durable.removeDirectory(join(this.publicDirectory, path));
  }

  async #headAt(path: string): Promise<LogHead | undefined> {
    const note = await this.fs.readFile(path, MAX_NOTE_BYTES);
    return note && this.openHead(note, path);
  }
}

function ignoreNoDirectory(error: unknown): undefined {
  if (systemErrorCode(error) !== "ENOTDIR") throw error;
}
