/** A log in memory, for tests: where a builder's files go and a reader finds them. */
import type { FetchOptions, TileSource } from "./tile-source.ts";
import type { FileToWrite } from "./tree-builder.ts";

export class MemoryLog implements TileSource {
  readonly files = new Map<string, Uint8Array>();
  readonly requests: string[] = [];

  write(files: readonly FileToWrite[]): void {
    for (const { path, bytes } of files) this.files.set(path, bytes);
  }

  async fetch(path: string, { maxBytes }: FetchOptions): Promise<Uint8Array | undefined> {
    this.requests.push(path);
    const bytes = this.files.get(path);
    if (bytes !== undefined && bytes.length > maxBytes) throw new Error(`${path} is larger than ${maxBytes}`);
    return bytes;
  }
}

/** Deterministic entries of varied lengths: number `from` to `to` of one endless list. */
export function sampleEntries(from: number, to: number): Uint8Array[] {
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return new TextEncoder().encode(`entry ${n} ${"x".repeat((n * 37) % 150)}`);
  });
}
