// A list of store paths, one a line, as channels publish them: plain, or compressed with gzip, xz or zstd. It may come from
// anywhere, so it is taken only if every line is a store path, and is bounded however well it was compressed.
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { baseNameOf, isStorePath } from "@trustix/nix";
import xz from "xz-decompress";
import { TrustixError } from "../errors.ts";

/** Paths of a list; a release of Nixpkgs has about 100,000. */
const MAX_LISTED_PATHS = 1_000_000;
/** A list of that many paths with long names. */
const MAX_TEXT_BYTES = 256 << 20;
/** What of it may be read as it is in the file. */
const MAX_FILE_BYTES = 128 << 20;
/** Longest line in messages. */
const MAX_SHOWN = 80;

const MAGIC = {
  gzip: Buffer.from([0x1f, 0x8b]),
  xz: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
  zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
} as const;

/** Reads a list from a file, or from `input` for `-`. Returns base names of store paths, each once, in their order. */
export async function readPathList(
  file: string,
  storeDir: string,
  input: Readable,
): Promise<readonly string[]> {
  const where = file === "-" ? "standard input" : file;
  const bytes = file === "-" ? await readBounded(input, where) : await readFile(file);
  return parsePathList(await decompress(bytes, where), storeDir, where);
}

/**
 * The base names of a list's store paths, each once, in their order.
 * @param where names the list in messages
 * @throws TrustixError `INVALID_ARGUMENT` with the number of the first line that is no store path
 */
export function parsePathList(text: string, storeDir: string, where: string): readonly string[] {
  const paths = new Set<string>();
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
    number++;
    if (!isStorePath(line, storeDir)) {
      throw new TrustixError(
        "INVALID_ARGUMENT",
        `${where}, line ${number}: ${shown(line)} is no path in ${storeDir}`,
        {
          hint: "A list has one store path a line, and nothing else.",
        },
      );
    }
    if (number > MAX_LISTED_PATHS) throw tooLarge(where);
    paths.add(baseNameOf(line));
  }
  if (paths.size === 0) throw new TrustixError("INVALID_ARGUMENT", `${where} has no store path`);
  return [...paths];
}

function shown(line: string): string {
  if (line === "") return "an empty line";
  return JSON.stringify(line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line);
}

async function readFile(path: string): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return await readBounded(file.createReadStream(), path);
}

async function readBounded(input: Readable, where: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_FILE_BYTES) throw tooLarge(where);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw cause instanceof TrustixError ? cause : unreadable(where, cause);
  }
  return Buffer.concat(chunks);
}

/** The text of a list, decompressed by what its first bytes say it is. */
async function decompress(bytes: Buffer, where: string): Promise<string> {
  const starts = (magic: Buffer): boolean => bytes.subarray(0, magic.length).equals(magic);
  try {
    // One member after the other, and nothing behind the last.
    if (starts(MAGIC.gzip)) return gunzipSync(bytes, { maxOutputLength: MAX_TEXT_BYTES }).toString("latin1");
    if (starts(MAGIC.zstd)) return unzstd(bytes, where);
    if (starts(MAGIC.xz)) return await unxz(bytes, where);
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(where);
    throw new TrustixError("INVALID_ARGUMENT", `${where} cannot be decompressed`, {
      hint: "It may have been cut off: get it again.",
      cause,
    });
  }
  return bytes.toString("latin1");
}

/** What node:zlib returns with `info`, which its types leave out. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** One frame after the other: the decompressor stops at the end of the first. */
function unzstd(bytes: Buffer, where: string): string {
  let text = "";
  for (let rest = bytes; rest.length > 0; ) {
    const options = { maxOutputLength: MAX_TEXT_BYTES, info: true };
    const { buffer, engine } = zstdDecompressSync(rest, options) as unknown as Inflated;
    text += buffer.toString("latin1");
    if (text.length > MAX_TEXT_BYTES) throw tooLarge(where);
    rest = rest.subarray(engine.bytesWritten);
  }
  return text;
}

async function unxz(bytes: Buffer, where: string): Promise<string> {
  let text = "";
  for await (const chunk of new xz.XzReadableStream(ReadableStream.from([bytes]))) {
    text += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
    if (text.length > MAX_TEXT_BYTES) throw tooLarge(where);
  }
  return text;
}

function tooLarge(where: string): TrustixError {
  return new TrustixError(
    "INVALID_ARGUMENT",
    `${where} is too large for a list of ${MAX_LISTED_PATHS} store paths`,
    {
      hint: "Split it, and report on each part.",
    },
  );
}

function unreadable(where: string, cause: unknown): TrustixError {
  const { code } = cause as NodeJS.ErrnoException;
  return new TrustixError("NOT_FOUND", `${where} cannot be read (${code})`, { cause });
}
