// tar archives: POSIX ustar with pax extended headers, and GNU's long names (pax, POSIX.1-2008; GNU tar manual, "Basic Tar
// Format").
import { type ContainerReader, latin1, MAX_MEMBERS, type Member, timeOf, upToNul } from "./container.ts";

const BLOCK = 512;
/** Numbers in a header that are given out: permissions, owner, group, size, time, checksum. */
const NUMBERS: readonly (readonly [number, number])[] = [
  [100, 108],
  [108, 116],
  [116, 124],
  [124, 136],
  [136, 148],
  [148, 156],
];
/** Names of owner and group. */
const NAMES: readonly (readonly [number, number])[] = [
  [265, 297],
  [297, 329],
];
/** Times and owners in an extended header. */
const PAX_TIMES = new Set(["mtime", "atime", "ctime"]);
const PAX_OWNERS = new Set(["uid", "gid", "uname", "gname"]);
const MAX_EXTENDED_BYTES = 1 << 20;

/** A number in octal digits, or in GNU's binary form for large ones; undefined for anything else. */
function numberOf(field: Uint8Array): number | undefined {
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = latin1(field);
  const match = /^ *([0-7]*)[ \0]*$/.exec(text);
  return match === null ? undefined : Number.parseInt(match[1] || "0", 8);
}

function hasRightChecksum(header: Uint8Array): boolean {
  let sum = 8 * 0x20;
  for (let index = 0; index < BLOCK; index++) if (index < 148 || index >= 156) sum += header[index]!;
  return numberOf(header.subarray(148, 156)) === sum;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Records `<length> <key>=<value>\n`, or undefined. */
function paxRecords(bytes: Uint8Array): Map<string, string> | undefined {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : latin1(bytes.subarray(at, space));
    if (!/^[1-9]\d{0,6}$/.test(digits)) return undefined;
    const end = at + Number(digits);
    const record = latin1(bytes.subarray(space + 1, end));
    const equals = record.indexOf("=");
    if (end > bytes.length || equals < 1 || !record.endsWith("\n")) return undefined;
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    at = end;
  }
  return records;
}

/** What headers before a member's own say of it. */
class Extended {
  name: string | undefined;
  target: string | undefined;
  times = "";
  owners = "";
  rest = "";

  /** Whether it could be taken. */
  take(type: string, header: Uint8Array, data: Uint8Array): boolean {
    this.rest += `${type}${restOf(header)}`;
    if (type === "L") this.name = latin1(upToNul(data));
    else if (type === "K") this.target = latin1(upToNul(data));
    else {
      const records = paxRecords(data);
      // Sizes that do not fit the header belong to files that are too large to look into.
      if (records === undefined || records.has("size")) return false;
      for (const [key, value] of records) {
        if (key === "path") this.name = value;
        else if (key === "linkpath") this.target = value;
        else if (PAX_TIMES.has(key)) this.times += ` ${key}=${value}`;
        else if (PAX_OWNERS.has(key)) this.owners += ` ${key}=${value}`;
        else this.rest += `${key}=${value}\n`;
      }
    }
    return true;
  }
}

/** A header without the values that are given out, but with their spelling. */
function restOf(header: Uint8Array): string {
  const rest = header.slice();
  for (const [from, to] of NUMBERS) {
    // In binary form there are no digits to leave out: then any difference is one of the rest, too.
    if (rest[from] !== 0x80)
      rest.subarray(from, to).forEach((byte, index, field) => {
        if (byte >= 0x30 && byte <= 0x37) field[index] = 0x64;
      });
  }
  for (const [from, to] of NAMES) {
    const end = rest.subarray(from, to).indexOf(0);
    rest.fill(0, from, end < 0 ? to : from + end);
  }
  return latin1(rest);
}

function memberOf(header: Uint8Array, extended: Extended, contents: Uint8Array): Member | undefined {
  const field = (from: number, to: number): string => latin1(upToNul(header.subarray(from, to)));
  const time = numberOf(header.subarray(136, 148));
  const mode = numberOf(header.subarray(100, 108));
  if (time === undefined || mode === undefined) return undefined;
  const prefix = field(257, 263) === "ustar" ? field(345, 500) : "";
  const flag = field(156, 157);
  const who = (name: string, id: number | undefined): string => (name === "" ? `${id}` : `${name}(${id})`);
  const [user, group] = [numberOf(header.subarray(108, 116)), numberOf(header.subarray(116, 124))];
  return {
    name: utf8(extended.name ?? (prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`)),
    type: flag === "5" ? "directory" : flag === "2" ? "symlink" : "regular",
    time: timeOf(time) + extended.times,
    facts: `${mode.toString(8).padStart(4, "0")} ${who(field(265, 297), user)}:${who(field(297, 329), group)}${extended.owners}`,
    rest: `${extended.rest}${restOf(header)}`,
    target: flag === "2" ? utf8(extended.target ?? field(157, 257)) : "",
    contents,
    packed: contents,
  };
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

export const tarReader: ContainerReader = {
  read(bytes) {
    if (bytes.length < BLOCK || latin1(bytes.subarray(257, 262)) !== "ustar") return undefined;
    const members: Member[] = [];
    let extended = new Extended();
    for (let at = 0; at < bytes.length; ) {
      const header = bytes.subarray(at, at + BLOCK);
      // Two blocks of zeros, and as many as it takes to fill the last record.
      if (isZero(header)) return isZero(bytes.subarray(at)) ? { format: "tar", members } : undefined;
      const size =
        header.length < BLOCK || !hasRightChecksum(header) ? undefined : numberOf(header.subarray(124, 136));
      if (size === undefined || members.length === MAX_MEMBERS) return undefined;
      const start = at + BLOCK;
      at = start + Math.ceil(size / BLOCK) * BLOCK;
      if (at > bytes.length || !isZero(bytes.subarray(start + size, at))) return undefined;
      const data = bytes.subarray(start, start + size);
      const type = String.fromCharCode(header[156]!);
      if (/[LKxg]/.test(type)) {
        if (size > MAX_EXTENDED_BYTES || !extended.take(type, header, data)) return undefined;
        continue;
      }
      const member = memberOf(header, extended, data);
      if (member === undefined) return undefined;
      members.push(member);
      extended = new Extended();
    }
    return { format: "tar", members };
  },
};
