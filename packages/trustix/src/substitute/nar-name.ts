// URLs of NARs in our narinfos: `nar/<hash part>-<NAR hash>-<file>.nar[.xz]`. They say all that is needed to find the NAR
// again, so that they hold for as long as Nix keeps a narinfo (30 days), across restarts and without a database.
//
// <file> is which compressed file was promised: the beginning of its hash in nix32, or `any` when the cache did not say. A
// broken download may only be resumed with the same file.
import { encodeNix32, formatHash, type Hash, isHashPart } from "@trustix/nix";

/** What a NAR's URL says. */
export interface NarName {
  readonly hashPart: string;
  /** 52 characters of nix32. */
  readonly narHash: string;
  readonly file: string;
  readonly compression: string;
}

/** Characters of a file hash that are kept: 130 bits. */
const FILE_LENGTH = 26;
const ANY_FILE = "any";

const EXTENSIONS: Readonly<Record<string, string>> = {
  none: "",
  xz: ".xz",
  zstd: ".zst",
  gzip: ".gz",
  br: ".br",
};
const COMPRESSIONS = new Map(Object.entries(EXTENSIONS).map(([name, extension]) => [extension, name]));

/** The characters of a SHA-256 NAR hash. */
export function narHashText(hash: Hash): string {
  return formatHash(hash).slice("sha256:".length);
}

/** Which file a cache promises. An uncompressed NAR is its own file. */
export function fileOf(compression: string, narHash: Hash, fileHash: Hash | undefined): string {
  if (compression === "none") return narHashText(narHash).slice(0, FILE_LENGTH);
  return fileHash?.algorithm === "sha256" ? encodeNix32(fileHash.bytes).slice(0, FILE_LENGTH) : ANY_FILE;
}

/** Whether a download of this file may be resumed from wherever else the same file is. */
export function isResumable(file: string): boolean {
  return file !== ANY_FILE;
}

/** A URL relative to the root of the cache. */
export function formatNarName(name: NarName): string {
  return `nar/${name.hashPart}-${name.narHash}-${name.file}.nar${EXTENSIONS[name.compression]}`;
}

/** The inverse; undefined for what it cannot have written. */
export function parseNarName(path: string): NarName | undefined {
  const match = /^nar\/([0-9a-z]{32})-([0-9a-z]{52})-(any|[0-9a-z]{26})\.nar(|\.xz|\.zst|\.gz|\.br)$/.exec(
    path,
  );
  if (match === null || !isHashPart(match[1]!)) return undefined;
  const [, hashPart, narHash, file, extension] = match as unknown as [string, string, string, string, string];
  return { hashPart, narHash, file, compression: COMPRESSIONS.get(extension)! };
}
