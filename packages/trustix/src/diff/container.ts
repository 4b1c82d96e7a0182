// What archives and compressed files have in common when two of them are compared: members in an order, each with a time and
// other facts. Each reader accounts for every byte of its file: what it does not give out as a member's field or contents
// is equal to what its format prescribes, or it does not read the file at all. So nothing hides behind "only the times differ".
import type { ContainerDiffJson } from "../http/diff-schema.ts";

/** A part of an archive. */
export interface Member {
  /** As shown; "" for the only one of a compressed file. */
  readonly name: string;
  readonly type: "directory" | "regular" | "symlink";
  /** ISO 8601 where the format's field can be read so. */
  readonly time: string;
  /** Permissions and owner, as people write them. */
  readonly facts: string;
  /** All else that its header says, in any form: whoever compares only wants to know whether it is equal. */
  readonly rest: string;
  /** Of a symbolic link. */
  readonly target: string;
  /** A view of the file, or what it decompresses to. */
  readonly contents: Uint8Array;
  /** The contents as they are compressed; the contents themselves when they are not. */
  readonly packed: Uint8Array;
}

/** An archive or compressed file. */
export interface Container {
  readonly format: ContainerDiffJson["format"];
  readonly members: readonly Member[];
}

/** What may still come out of decompression. */
export interface Room {
  bytes: number;
}

/** Reads files of one format. */
export interface ContainerReader {
  /**
   * @param room what comes out of decompression is taken from it, also when the file turns out to be broken
   * @returns undefined for files of other formats, and broken or overlarge ones
   */
  read(bytes: Uint8Array, room: Room): Container | undefined;
}

/** Takes decompressed bytes out of a room. Whether there were as many. */
export function takeRoom(room: Room, bytes: number): boolean {
  const fits = bytes <= room.bytes;
  room.bytes = fits ? room.bytes - bytes : 0;
  return fits;
}

/** Members beyond this number make a file too large to look into. */
export const MAX_MEMBERS = 20_000;

/** Bytes of a header as text that only a byte has. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Bytes up to the first NUL. */
export function upToNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Seconds since 1970 as a date, or as they are when there is no such date. */
export function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString();
}
