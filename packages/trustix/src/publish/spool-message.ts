// One message of the spool: what the post-build hook says of one finished build.
//
//     trustix-spool 1
//     /nix/store/<hash>-<name>.drv
//     /nix/store/<hash>-<name>          one line for each output; none at all on Nix 2.8.0, whose OUT_PATHS is empty
//     end
//
// Every line ends in LF. The last line proves that the message is whole: the hook writes with one built-in of the
// shell and cannot rename, and after a power failure a file may have lost its tail. No store path is `end`.

import { isDerivationPath, isStorePath, type StorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";

/** First line: the format and its version. */
export const SPOOL_HEADER = "trustix-spool 1";

/** Last line. */
export const SPOOL_END = "end";

/** Largest message: Linux hands a program no environment variable over 128 KiB, and there are two. */
export const MAX_SPOOL_MESSAGE_BYTES = 256 * 1024 + 64;

/** One finished build. */
export interface SpoolMessage {
  /** The derivation that was built. */
  readonly drvPath: StorePath;
  /** Its outputs as Nix told them to the hook, in that order; empty when Nix told none. */
  readonly outPaths: readonly StorePath[];
}

/**
 * Reads a message. Everything in it may come from anyone who can write to the spool.
 * @param storeDir the directory that all paths must be in
 * @throws TrustixError `SPOOL_INCOMPLETE` when the end is missing, `SPOOL_INVALID` when anything else is wrong
 */
export function parseSpoolMessage(bytes: Uint8Array, storeDir: string): SpoolMessage {
  if (bytes.length > MAX_SPOOL_MESSAGE_BYTES) throw invalid(`larger than ${MAX_SPOOL_MESSAGE_BYTES} bytes`);
  // Latin-1 never fails and keeps one character per byte; store paths are ASCII and are checked as such.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const header = `${SPOOL_HEADER}\n`;
  if (!text.startsWith(header.slice(0, text.length)))
    throw invalid(`the first line is not "${SPOOL_HEADER}"`);
  if (!text.endsWith(`\n${SPOOL_END}\n`)) {
    throw new TrustixError("SPOOL_INCOMPLETE", `the last line of the message is not "${SPOOL_END}"`);
  }
  const [drvPath = "", ...outPaths] = text
    .slice(header.length, -`${SPOOL_END}\n`.length)
    .split("\n")
    .slice(0, -1);
  if (!isStorePath(drvPath, storeDir) || !isDerivationPath(drvPath)) {
    throw invalid(`line 2 is not the path of a derivation in ${storeDir}`);
  }
  return {
    drvPath,
    outPaths: outPaths.map((path, i) => {
      if (!isStorePath(path, storeDir)) throw invalid(`line ${i + 3} is not a path in ${storeDir}`);
      return path;
    }),
  };
}

/** The bytes that the hook writes for a build; inverse of {@link parseSpoolMessage}. */
export function formatSpoolMessage(message: SpoolMessage): Uint8Array {
  return Buffer.from(
    `${[SPOOL_HEADER, message.drvPath, ...message.outPaths, SPOOL_END].join("\n")}\n`,
    "latin1",
  );
}

function invalid(why: string): TrustixError {
  return new TrustixError("SPOOL_INVALID", `not a spool message: ${why}`);
}
