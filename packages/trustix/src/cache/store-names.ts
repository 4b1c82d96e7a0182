// Finds store paths by their hash part, as binary cache clients ask for them. Nix has no command for that, so the names
// in the store directory are listed, once, and again when the directory has changed.
import { readdir, stat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";

/** A directory's names and when it last changed; injected so that tests are exact. */
export interface StoreDirectory {
  /** Changes whenever a name is added or removed. */
  modifiedNs(): Promise<bigint>;
  names(): Promise<string[]>;
}

/** The store directory on disk. */
export function storeDirectory(path: string): StoreDirectory {
  return {
    modifiedNs: async () => (await stat(path, { bigint: true })).mtimeNs,
    names: () => readdir(path),
  };
}

const HASH_LENGTH = 32;
const LINE_FEED = 0x0a;
/** File systems stamp changes with the time of the last timer tick: a younger listing may lack a name. */
const SETTLED_NS = 50_000_000n;

interface Listing {
  readonly modifiedNs: bigint;
  /** Names in ascending order, each followed by LF: a quarter of the memory of a map. */
  readonly sorted: Buffer;
}

/** The names in a store directory. */
export class StoreNames {
  readonly #directory: StoreDirectory;
  readonly #nowNs: () => bigint;
  #listing: Listing | undefined;
  #refreshing: Promise<Listing> | undefined;

  /** @param nowNs nanoseconds since 1970 */
  constructor(directory: StoreDirectory, nowNs: () => bigint) {
    this.#directory = directory;
    this.#nowNs = nowNs;
  }

  /** The names that begin with a hash part: a store path's, and those of its lock files and the like. */
  async withHashPart(hashPart: string): Promise<readonly string[]> {
    const known = this.#listing === undefined ? [] : search(this.#listing.sorted, hashPart);
    // A name that is gone does no harm: Nix is asked whether the path is valid.
    if (known.length > 0) return known;
    const modifiedNs = await this.#directory.modifiedNs();
    if (this.#listing?.modifiedNs === modifiedNs) return [];
    // A refresh that is under way began before this question, and may miss what was added since.
    await this.#refreshing;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return search((await this.#refreshing).sorted, hashPart);
  }

  async #refresh(): Promise<Listing> {
    const modifiedNs = await this.#directory.modifiedNs();
    const isSettled = this.#nowNs() - modifiedNs > SETTLED_NS;
    const sorted = await sortNames(await this.#directory.names());
    this.#listing = { modifiedNs: isSettled ? modifiedNs : -1n, sorted };
    return this.#listing;
  }
}

/**
 * The names of store paths in ascending order, each followed by LF. Sorting half a million at once takes half a second,
 * so this is done by first character, and other work gets its turn in between.
 */
async function sortNames(names: readonly string[]): Promise<Buffer> {
  const buckets = new Map<string, string[]>();
  for (const name of names) {
    if (name[HASH_LENGTH] !== "-") continue;
    const bucket = buckets.get(name[0]!);
    if (bucket === undefined) buckets.set(name[0]!, [name]);
    else bucket.push(name);
  }
  const sorted: Buffer[] = [];
  for (const first of [...buckets.keys()].sort()) {
    sorted.push(Buffer.from(`${buckets.get(first)!.sort().join("\n")}\n`, "utf8"));
    await setImmediate();
  }
  return Buffer.concat(sorted);
}

function lineAt(sorted: Buffer, start: number): string {
  return sorted.toString("utf8", start, sorted.indexOf(LINE_FEED, start));
}

/** Binary search over lines: `low` and `high` are always starts of lines, or the end. */
function search(sorted: Buffer, hashPart: string): string[] {
  const wanted = Buffer.from(hashPart, "latin1");
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const start = middle === 0 ? 0 : sorted.lastIndexOf(LINE_FEED, middle - 1) + 1;
    if (sorted.compare(wanted, 0, HASH_LENGTH, start, start + HASH_LENGTH) < 0) {
      low = sorted.indexOf(LINE_FEED, start) + 1;
    } else high = start;
  }
  const found: string[] = [];
  while (low < sorted.length && sorted.compare(wanted, 0, HASH_LENGTH, low, low + HASH_LENGTH) === 0) {
    const name = lineAt(sorted, low);
    found.push(name);
    low += Buffer.byteLength(name) + 1;
  }
  return found;
}
