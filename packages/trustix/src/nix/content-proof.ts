// Whether the name of a store path proves what is there. The name is a hash over the content address; that the content has
// this address, and the NAR hash that a statement names, is seen by reading it.

import { createHash, getHashes, type Hash as Hasher } from "node:crypto";
import { type Hash, NarParser, NixError, provesItself, provesNarHash, type SelfProving } from "@trustix/nix";
import { dumpPathTo } from "@trustix/nix/fs";

/** Facts of a path that are to be proven. */
export interface RegisteredContent extends SelfProving {
  readonly narSize: number;
}

/**
 * Whether the path's name proves its NAR hash and NAR size: by itself where the name is made of the NAR's SHA-256, else by reading
 * the contents at `storePath`, which then have both the address in the name and the NAR hash. False, too, when that cannot be
 * read or shown: Git trees, BLAKE3, and contents that name their own path.
 */
export async function provesContents(info: RegisteredContent): Promise<boolean> {
  if (provesNarHash(info)) return true;
  const { contentAddress, storePath, references } = info;
  if (contentAddress === undefined || references.includes(storePath) || !provesItself(info)) return false;
  const { method, hash } = contentAddress;
  if (method === "git" || !getHashes().includes(hash.algorithm)) return false;
  try {
    const found = await readContents(storePath, method === "nar", hash.algorithm);
    return (
      found.sizeBytes === info.narSize && found.nar.equals(info.narHash.bytes) && isHash(found.content, hash)
    );
  } catch (error) {
    // Gone, or changed while it was read: then nothing is proven.
    if (error instanceof NixError) return false;
    throw error;
  }
}

function isHash(found: Uint8Array | undefined, { bytes }: Hash): boolean {
  return found !== undefined && Buffer.from(found).equals(bytes);
}

/** The SHA-256 of what is at a path as a NAR, and the hash by another algorithm of that NAR, or of the plain file that it is. */
async function readContents(
  path: string,
  isOfNar: boolean,
  algorithm: string,
): Promise<{ readonly nar: Buffer; readonly content: Buffer | undefined; readonly sizeBytes: number }> {
  const nar = createHash("sha256");
  const content = createHash(algorithm);
  const file = isOfNar ? undefined : new PlainFile(content);
  const parser = file && new NarParser(file);
  const sizeBytes = await dumpPathTo(path, (chunk) => {
    nar.update(chunk);
    if (parser === undefined) content.update(chunk);
    else parser.write(chunk);
  });
  return { nar: nar.digest(), content: file?.isOther ? undefined : content.digest(), sizeBytes };
}

/** Hashes the contents of an archive that is one file which nobody may execute. */
class PlainFile {
  readonly #hash: Hasher;
  /** Whether it is something else. */
  isOther = false;

  constructor(hash: Hasher) {
    this.#hash = hash;
  }

  openFile(name: Uint8Array | undefined, { executable }: { readonly executable: boolean }): void {
    this.isOther ||= executable || name !== undefined;
  }

  contents(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  closeFile(): void {}

  openDirectory(): void {
    this.isOther = true;
  }

  closeDirectory(): void {}

  symlink(): void {
    this.isOther = true;
  }
}
