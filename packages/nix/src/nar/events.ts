/** The nodes of a NAR as an async iterator, for those who would rather pull than be called. Runs in browsers. */

import type { NarLimits } from "./format.ts";
import { type NarFile, NarParser } from "./parser.ts";

/** Bytes as they arrive: a `ReadableStream` or Node stream, an array, a generator. */
export type ByteSource = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** One step through an archive. `name` is undefined for the root only. */
export type NarEvent =
  /** A directory begins; what follows is inside it until its `close`. */
  | { readonly type: "directory"; readonly name: Uint8Array | undefined }
  /** The innermost open directory ends. */
  | { readonly type: "close" }
  /** A regular file; its contents follow, in as many `contents` events as chunks hold them (none when empty). */
  | ({ readonly type: "regular"; readonly name: Uint8Array | undefined } & NarFile)
  /** Contents of the last `regular`: a view of a chunk of the source, not a copy. */
  | { readonly type: "contents"; readonly chunk: Uint8Array }
  /** A symbolic link. */
  | { readonly type: "symlink"; readonly name: Uint8Array | undefined; readonly target: Uint8Array };

/**
 * Parses an archive and yields its nodes as chunks of the source complete them. What is yielded was checked as far as
 * it goes; only the normal end of the iteration says that the whole archive is well-formed.
 * @throws NixError the codes of `NarParser.write` and `NarParser.end`
 */
export async function* parseNar(
  source: ByteSource,
  limits?: NarLimits,
): AsyncGenerator<NarEvent, void, undefined> {
  let events: NarEvent[] = [];
  const parser = new NarParser(
    {
      openDirectory: (name) => events.push({ type: "directory", name }),
      closeDirectory: () => events.push({ type: "close" }),
      openFile: (name, file) => events.push({ type: "regular", name, ...file }),
      contents: (chunk) => events.push({ type: "contents", chunk }),
      closeFile: () => {},
      symlink: (name, target) => events.push({ type: "symlink", name, target }),
    },
    limits,
  );
  for await (const chunk of source) {
    parser.write(chunk);
    const ready = events;
    events = [];
    yield* ready;
  }
  parser.end();
}
