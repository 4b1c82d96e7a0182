/** NAR writer for abstract trees: synchronous, lazy, in chunks of bounded size. Runs in browsers. */

import { NixError } from "../errors.ts";
import {
  checkNarName,
  checkNarTarget,
  compareNarNames,
  defaultNarLimits,
  narBytes,
  showBytes,
} from "./format.ts";
import { NarOutput, TOKENS } from "./output.ts";

/** A tree to write. Text stands for its UTF-8 bytes. */
export type NarTree = NarTreeFile | NarTreeSymlink | NarTreeDirectory;

/** A regular file. */
export interface NarTreeFile {
  readonly type: "regular";
  /** Default false. */
  readonly executable?: boolean;
  /** Bytes, or chunks that add up to the size promised (the format states the size first). */
  readonly contents: Uint8Array | { readonly sizeBytes: number; readonly chunks: Iterable<Uint8Array> };
}

/** A symbolic link. */
export interface NarTreeSymlink {
  readonly type: "symlink";
  readonly target: string | Uint8Array;
}

/** A directory. Its entries come in any order, a `Map` for example: they are sorted here, one directory at a time. */
export interface NarTreeDirectory {
  readonly type: "directory";
  readonly entries: Iterable<readonly [name: string | Uint8Array, node: NarTree]>;
}

const CHUNK_BYTES = 65_536;

interface Entry {
  readonly name: Uint8Array;
  readonly node: NarTree;
}

/**
 * The archive of a tree, in chunks that belong to the caller, made as they are asked for.
 * @throws NixError `NAR_NAME_INVALID` (also: the same name twice in a directory), `NAR_TARGET_INVALID`,
 * `NAR_CONTENTS_SIZE` (chunks do not add up), `NAR_LIMIT` (see `defaultNarLimits`)
 */
export function* encodeNar(tree: NarTree): Generator<Uint8Array, void, undefined> {
  const output = new NarOutput(() => new Uint8Array(CHUNK_BYTES));
  /** Entries still to write of each open directory, the next one last. */
  const open: Entry[][] = [];
  output.fixed(TOKENS.root);
  let node: NarTree | undefined = tree;
  while (true) {
    if (node !== undefined) {
      switch (node.type) {
        case "regular":
          yield* encodeFile(output, node);
          break;
        case "symlink": {
          const target = narBytes(node.target, "NAR_TARGET_INVALID");
          checkNarTarget(target, defaultNarLimits.maxTargetBytes, "");
          output.fixed(TOKENS.symlink);
          output.string(target);
          break;
        }
        case "directory":
          if (open.length >= defaultNarLimits.maxDepth) {
            throw new NixError("NAR_LIMIT", `more than ${defaultNarLimits.maxDepth} nested directories`);
          }
          output.fixed(TOKENS.directory);
          open.push(sortedEntries(node));
          break;
        default:
          node satisfies never;
      }
      if (node.type !== "directory") output.fixed(open.length === 0 ? TOKENS.close : TOKENS.closeEntry);
    }
    yield* output.take();
    const entries = open.at(-1);
    if (entries === undefined) break;
    const entry = entries.pop();
    node = entry?.node;
    if (entry === undefined) {
      open.pop();
      output.fixed(open.length === 0 ? TOKENS.close : TOKENS.closeEntry);
    } else {
      output.fixed(TOKENS.entry);
      output.string(entry.name);
      output.fixed(TOKENS.node);
    }
  }
  output.flush();
  yield* output.take();
}

function* encodeFile(output: NarOutput, file: NarTreeFile): Generator<Uint8Array, void, undefined> {
  const { contents } = file;
  const [sizeBytes, chunks] =
    contents instanceof Uint8Array ? [contents.length, [contents]] : [contents.sizeBytes, contents.chunks];
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new NixError(
      "NAR_CONTENTS_SIZE",
      `size of a file must be a whole number of bytes, not ${sizeBytes}`,
    );
  }
  output.fixed(file.executable === true ? TOKENS.executable : TOKENS.regular);
  output.length(sizeBytes);
  let written = 0;
  for (const chunk of chunks) {
    written += chunk.length;
    if (written > sizeBytes) break;
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
      output.bytes(chunk.subarray(at, at + CHUNK_BYTES));
      yield* output.take();
    }
  }
  if (written !== sizeBytes) {
    const amount = written > sizeBytes ? "more" : `${written}`;
    throw new NixError(
      "NAR_CONTENTS_SIZE",
      `a file of ${sizeBytes} bytes was promised, ${amount} were given`,
    );
  }
  output.pad(sizeBytes);
}

/** Entries in reverse archive order. */
function sortedEntries(directory: NarTreeDirectory): Entry[] {
  const entries: Entry[] = [];
  for (const [given, node] of directory.entries) {
    const name = narBytes(given, "NAR_NAME_INVALID");
    checkNarName(name, defaultNarLimits.maxNameBytes, "");
    entries.push({ name, node });
  }
  entries.sort((a, b) => compareNarNames(b.name, a.name));
  for (let i = 1; i < entries.length; i++) {
    const { name } = entries[i]!;
    if (compareNarNames(entries[i - 1]!.name, name) === 0) {
      throw new NixError("NAR_NAME_INVALID", `two entries of one directory have the name ${showBytes(name)}`);
    }
  }
  return entries;
}
