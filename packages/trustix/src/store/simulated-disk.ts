// A file system in memory for tests, as unkind as a real one may be: any operation can fail or stop half-way, and a power
// cut keeps only what was synced, plus a random part of what was not.
//
// Two things it takes from Linux that are easy to forget: after a failed sync the data counts as clean, so that a second
// sync succeeds and the data is still lost; and a name is durable only once its directory was synced.

import { basename, dirname } from "node:path";
import type { FileSystem, WritableFile } from "./file-system.ts";

/** The operations that count, can fail, and at which the power can be cut. */
export type DiskOperation =
  | "create"
  | "write"
  | "sync"
  | "rename"
  | "makeDirectory"
  | "removeFile"
  | "removeDirectory"
  | "syncDirectory";

/** What happens at one operation. `short` writes half of the bytes; other operations take it as `EIO`. */
export type Fault = "ENOSPC" | "EIO" | "short" | "powerCut";

/** Decides about one operation; `index` counts all operations of the disk from 0. */
export type FaultPlan = (index: number, operation: DiskOperation, path: string) => Fault | undefined;

/** A random number from 0 up to, not including, 1. */
type Random = () => number;

const SECTOR = 512;

class Inode {
  bytes = Buffer.alloc(0);
  /** What a sync has put on the platter, from the front. */
  syncedLength = 0;
  /** Ranges that a failed sync gave up: they read well until the power goes. */
  lost: [number, number][] = [];

  afterPowerCut(random: Random): Inode {
    const after = new Inode();
    const length = this.syncedLength + Math.floor(random() * (this.bytes.length - this.syncedLength + 1));
    after.bytes = Buffer.from(this.bytes.subarray(0, length));
    for (let start = this.syncedLength; start < length; start += SECTOR) {
      if (random() < 0.3) after.bytes.fill(0, start, Math.min(length, start + SECTOR));
    }
    for (const [start, end] of this.lost) after.bytes.fill(0, start, end);
    after.syncedLength = length;
    return after;
  }
}

class Directory {
  names = new Map<string, Inode | Directory>();
  /** Changes since the last sync, oldest first. */
  unsynced: ((names: Map<string, Inode | Directory>) => void)[] = [];
  durable = new Map<string, Inode | Directory>();

  change(apply: (names: Map<string, Inode | Directory>) => void): void {
    apply(this.names);
    this.unsynced.push(apply);
  }

  sync(): void {
    this.durable = new Map(this.names);
    this.unsynced = [];
  }

  afterPowerCut(random: Random): Directory {
    const names = new Map(this.durable);
    // Each change reaches the disk or not, by itself; a directory made of them alone may be a mixture that never was.
    for (const apply of this.unsynced) if (random() < 0.5) apply(names);
    const after = new Directory();
    for (const [name, node] of names) after.names.set(name, node.afterPowerCut(random));
    after.sync();
    return after;
  }
}

function systemError(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

/** The disk. `operations` says how many counted operations there were, to enumerate faults over them. */
export class SimulatedDisk implements FileSystem {
  #root = new Directory();
  #dead = false;
  /** How many counted operations were asked for so far. */
  operations = 0;
  /** Decides which operations fail; none by default. */
  plan: FaultPlan = () => undefined;

  /** Whether the power was cut, or the process killed: nothing works any more. */
  get isOff(): boolean {
    return this.#dead;
  }

  /** Cuts the power and starts again: the disk that a machine finds when it boots. */
  afterPowerCut(random: Random): SimulatedDisk {
    this.#dead = true;
    const disk = new SimulatedDisk();
    disk.#root = this.#root.afterPowerCut(random);
    return disk;
  }

  /** Kills the process and starts another: it finds everything written, synced or not. The old one writes no more. */
  afterKill(): SimulatedDisk {
    this.#dead = true;
    const disk = new SimulatedDisk();
    disk.#root = this.#root;
    return disk;
  }

  /** All file paths with their content. */
  files(): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    const walk = (directory: Directory, prefix: string) => {
      for (const [name, node] of directory.names) {
        if (node instanceof Directory) walk(node, `${prefix}/${name}`);
        else found.set(`${prefix}/${name}`, node.bytes);
      }
    };
    walk(this.#root, "");
    return found;
  }

  async readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    await this.#turn();
    const node = this.#find(dirname(path))?.names.get(basename(path));
    if (!(node instanceof Inode)) return undefined;
    if (node.bytes.length > maxBytes) throw systemError("EFBIG", path);
    return Uint8Array.from(node.bytes);
  }

  async list(directory: string): Promise<string[]> {
    await this.#turn();
    return [...(this.#find(directory)?.names.keys() ?? [])];
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#operation("makeDirectory", path);
    const parent = this.#parent(path);
    if (parent.names.has(basename(path))) return;
    const made = new Directory();
    parent.change((names) => names.set(basename(path), made));
  }

  async createFile(path: string): Promise<WritableFile> {
    await this.#operation("create", path);
    const parent = this.#parent(path);
    const existing = parent.names.get(basename(path));
    const inode = existing instanceof Inode ? existing : new Inode();
    inode.bytes = Buffer.alloc(0);
    inode.syncedLength = 0;
    inode.lost = [];
    if (inode !== existing) parent.change((names) => names.set(basename(path), inode));
    return {
      write: async (bytes) => {
        const half = Math.floor(bytes.length / 2);
        const fault = await this.#operation("write", path, () => {
          inode.bytes = Buffer.concat([inode.bytes, bytes.subarray(0, half)]);
        });
        const taken = fault === "short" ? bytes.subarray(0, half) : bytes;
        inode.bytes = Buffer.concat([inode.bytes, taken]);
        if (taken.length === 0 && bytes.length > 0) throw systemError("ENOSPC", path);
        return taken.length;
      },
      sync: async () => {
        await this.#operation("sync", path, () => {
          if (inode.bytes.length > inode.syncedLength)
            inode.lost.push([inode.syncedLength, inode.bytes.length]);
          inode.syncedLength = inode.bytes.length;
        });
        inode.syncedLength = inode.bytes.length;
      },
      close: () => this.#turn(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operation("rename", from);
    const directory = this.#parent(from);
    if (dirname(to) !== dirname(from)) throw systemError("EXDEV", "renames stay in one directory here");
    const node = directory.names.get(basename(from));
    if (!node) throw systemError("ENOENT", from);
    directory.change((names) => {
      names.delete(basename(from));
      names.set(basename(to), node);
    });
  }

  async removeFile(path: string): Promise<void> {
    await this.#operation("removeFile", path);
    this.#find(dirname(path))?.change((names) => names.delete(basename(path)));
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#operation("removeDirectory", path);
    this.#find(dirname(path))?.change((names) => names.delete(basename(path)));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#operation("syncDirectory", path);
    const directory = this.#find(path);
    if (!directory) throw systemError("ENOENT", path);
    directory.sync();
  }

  /** Lets others run first, as a real operation would, and refuses to work for a process that is no more. */
  async #turn(): Promise<void> {
    await null;
    if (this.#dead) throw systemError("EIO", "the power is off");
  }

  /** Counts the operation and lets the plan strike; `whenFailing` is what still happens of it then. */
  async #operation(
    operation: DiskOperation,
    path: string,
    whenFailing?: () => void,
  ): Promise<"short" | undefined> {
    await this.#turn();
    const fault = this.plan(this.operations++, operation, path);
    if (fault === undefined || (fault === "short" && operation === "write")) return fault;
    whenFailing?.();
    if (fault === "powerCut") this.#dead = true;
    throw systemError(fault === "ENOSPC" ? "ENOSPC" : "EIO", `${operation} ${path}`);
  }

  #find(path: string): Directory | undefined {
    let directory = this.#root;
    for (const name of path.split("/").filter(Boolean)) {
      const next = directory.names.get(name);
      if (!(next instanceof Directory)) return undefined;
      directory = next;
    }
    return directory;
  }

  #parent(path: string): Directory {
    const parent = this.#find(dirname(path));
    if (!parent) throw systemError("ENOENT", path);
    return parent;
  }
}
