// Results of comparisons, kept by the pair of NAR hashes: a file each. They can all be worked out again, so a file that is not
// as it should be is removed, and what was written when the power failed does not matter.
import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { TrustixError } from "../errors.ts";
import { differenceSchema } from "../http/diff-schema.ts";
import type { NarDiff } from "./nar-diff.ts";
import { reverseDiff } from "./reverse-diff.ts";

/** A result, and when it was worked out. */
export interface KeptDiff extends NarDiff {
  /** ISO 8601. */
  readonly comparedAt: string;
}

/** Raised when results of this version would say something else: older ones are not read. */
const FORMAT = 1;
/** Much more than `diffNars` lists. */
const MAX_FILE_BYTES = 16 << 20;
const MAX_FILES = 10_000;

const keptSchema = z.strictObject({
  format: z.literal(FORMAT),
  comparedAt: z.iso.datetime(),
  differences: z.array(differenceSchema),
  unlisted: z.int().min(0),
});

const FILE_NAME = /^[0-9a-z]{52}-[0-9a-z]{52}\.json$/;

interface KeptFile {
  readonly bytes: number;
  readonly modifiedMs: number;
}

export class KeptDiffs {
  readonly #directory: string;
  readonly #maxBytes: number;
  /** By name, the oldest first. */
  readonly #files: Map<string, KeptFile>;
  #bytes: number;

  private constructor(directory: string, maxBytes: number, files: Map<string, KeptFile>) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#files = files;
    this.#bytes = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Opens a directory, which is made when it is missing; nothing else may write to it. What does not belong there is removed.
   * @param maxBytes of all files together
   * @throws TrustixError `STORAGE_FAILED`
   */
  static async open(directory: string, maxBytes: number): Promise<KeptDiffs> {
    try {
      await mkdir(directory, { recursive: true });
      const found: (KeptFile & { readonly name: string })[] = [];
      for (const name of await readdir(directory)) {
        const path = join(directory, name);
        if (!FILE_NAME.test(name)) await rm(path, { recursive: true });
        else {
          const { size, mtimeMs } = await stat(path);
          found.push({ name, bytes: size, modifiedMs: mtimeMs });
        }
      }
      found.sort((a, b) => a.modifiedMs - b.modifiedMs);
      const kept = new KeptDiffs(
        directory,
        maxBytes,
        new Map(found.map(({ name, ...file }) => [name, file])),
      );
      await kept.#removeOldest();
      return kept;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new TrustixError("STORAGE_FAILED", `${directory} cannot be used (${code})`, { cause });
    }
  }

  /** What is kept of two NARs, seen from `before`; undefined when nothing is. Hashes are `sha256:<nix32>`. */
  async get(before: string, after: string): Promise<KeptDiff | undefined> {
    const { name, isReversed } = nameOf(before, after);
    if (!this.#files.has(name)) return undefined;
    const path = join(this.#directory, name);
    try {
      await using file = await open(path);
      if ((await file.stat()).size > MAX_FILE_BYTES) throw new Error("too large");
      const { format: _, ...diff } = keptSchema.parse(JSON.parse(await file.readFile("utf8")));
      return isReversed ? { ...diff, ...reverseDiff(diff) } : diff;
    } catch {
      await this.#remove(name);
      return undefined;
    }
  }

  /** Keeps a result. It may be gone again the next moment, when there is no room or the disk fails. */
  async put(before: string, after: string, diff: KeptDiff): Promise<void> {
    const { name, isReversed } = nameOf(before, after);
    const text = JSON.stringify({ format: FORMAT, ...diff, ...(isReversed ? reverseDiff(diff) : {}) });
    const bytes = Buffer.byteLength(text);
    if (bytes > Math.min(this.#maxBytes, MAX_FILE_BYTES)) return;
    const temporary = join(this.#directory, `${randomUUID()}.tmp`);
    try {
      await writeFile(temporary, text);
      await rename(temporary, join(this.#directory, name));
    } catch {
      await rm(temporary, { force: true }).catch(() => {});
      return;
    }
    this.#forget(name);
    this.#files.set(name, { bytes, modifiedMs: 0 });
    this.#bytes += bytes;
    await this.#removeOldest();
  }

  async #removeOldest(): Promise<void> {
    while (this.#bytes > this.#maxBytes || this.#files.size > MAX_FILES) {
      await this.#remove(this.#files.keys().next().value as string);
    }
  }

  async #remove(name: string): Promise<void> {
    this.#forget(name);
    await rm(join(this.#directory, name), { force: true }).catch(() => {});
  }

  #forget(name: string): void {
    this.#bytes -= this.#files.get(name)?.bytes ?? 0;
    this.#files.delete(name);
  }
}

/** The same name whichever comes first; the file has the lesser one as `before`. */
function nameOf(before: string, after: string): { readonly name: string; readonly isReversed: boolean } {
  const [a, b] = [before, after].map((hash) => hash.slice("sha256:".length)) as [string, string];
  return a < b ? { name: `${a}-${b}.json`, isReversed: false } : { name: `${b}-${a}.json`, isReversed: true };
}
