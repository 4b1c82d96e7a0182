// zip archives, `.jar` and `.whl` among them (PKWARE APPNOTE 6.3): the members between the beginning of the file and the
// central directory, without gaps. No encryption, no ZIP64, nothing before or behind: other files are not looked into.
import { crc32, inflateRawSync } from "node:zlib";
import { type ContainerReader, latin1, MAX_MEMBERS, type Member, takeRoom } from "./container.ts";

const SIGNATURE = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  descriptor: 0x08074b50,
} as const;
const SIZE = { local: 30, central: 46, end: 22 } as const;
const FLAG = { encrypted: 1, level: 6, descriptor: 8, utf8: 0x800 } as const;
const [STORED, DEFLATED] = [0, 8];
/** Extra fields that have times in them: Info-ZIP's two, and NTFS's. */
const TIME_FIELDS = [0x5455, 0x5855, 0x000a];

/** A member as the central directory describes it. */
interface Entry {
  readonly madeBy: number;
  readonly needed: number;
  readonly flags: number;
  readonly method: number;
  readonly time: number;
  readonly date: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly attributes: string;
  readonly mode: number;
  readonly offset: number;
  readonly name: Uint8Array;
  readonly extra: Uint8Array;
  readonly comment: string;
}

/** All entries, or undefined unless they fill the bytes from `from` to `to`. */
function centralDirectory(bytes: Uint8Array, view: DataView, from: number, to: number): Entry[] | undefined {
  const entries: Entry[] = [];
  for (let at = from; at < to; ) {
    if (at + SIZE.central > to || view.getUint32(at, true) !== SIGNATURE.central) return undefined;
    const u16 = (offset: number): number => view.getUint16(at + offset, true);
    const u32 = (offset: number): number => view.getUint32(at + offset, true);
    const nameEnd = at + SIZE.central + u16(28);
    const extraEnd = nameEnd + u16(30);
    const end = extraEnd + u16(32);
    if (end > to || u16(34) !== 0 || entries.length === MAX_MEMBERS) return undefined;
    entries.push({
      madeBy: u16(4),
      needed: u16(6),
      flags: u16(8),
      method: u16(10),
      time: u16(12),
      date: u16(14),
      crc: u32(16),
      packedSize: u32(20),
      size: u32(24),
      attributes: `${u16(36)} ${u32(38) & 0xffff}`,
      mode: u32(38) >>> 16,
      offset: u32(42),
      name: bytes.subarray(at + SIZE.central, nameEnd),
      extra: bytes.subarray(nameEnd, extraEnd),
      comment: latin1(bytes.subarray(extraEnd, end)),
    });
    at = end;
  }
  return entries;
}

/** Times, and all other extra fields, as text; undefined when they do not add up. */
function extraFields(extra: Uint8Array): { readonly times: string; readonly rest: string } | undefined {
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  let [times, rest] = ["", ""];
  for (let at = 0; at < extra.length; ) {
    const end = at + 4 + (at + 4 <= extra.length ? view.getUint16(at + 2, true) : 0);
    if (end > extra.length || at + 4 > extra.length) return undefined;
    if (TIME_FIELDS.includes(view.getUint16(at, true)))
      times += ` ${Buffer.from(extra.subarray(at + 4, end)).toString("hex")}`;
    else rest += latin1(extra.subarray(at, end));
    at = end;
  }
  return { times, rest };
}

/** The local header's extra field, the packed contents, and where the next member begins. */
function localMember(bytes: Uint8Array, view: DataView, entry: Entry) {
  const at = entry.offset;
  if (at + SIZE.local > bytes.length || view.getUint32(at, true) !== SIGNATURE.local) return undefined;
  const u16 = (offset: number): number => view.getUint16(at + offset, true);
  const isLater = (entry.flags & FLAG.descriptor) !== 0;
  const facts = [u16(4), u16(6), u16(8), u16(10), u16(12)];
  const { needed, flags, method, time, date, crc, packedSize, size } = entry;
  if ([needed, flags, method, time, date].some((fact, index) => fact !== facts[index])) return undefined;
  const sizes = isLater ? [0, 0, 0] : [crc, packedSize, size];
  if (sizes.some((expected, index) => view.getUint32(at + 14 + 4 * index, true) !== expected))
    return undefined;
  const nameEnd = at + SIZE.local + u16(26);
  const start = nameEnd + u16(28);
  const end = start + packedSize;
  if (end > bytes.length || Buffer.compare(bytes.subarray(at + SIZE.local, nameEnd), entry.name) !== 0)
    return undefined;
  const local = { extra: bytes.subarray(nameEnd, start), packed: bytes.subarray(start, end), end };
  if (!isLater) return local;
  const from = end + 4 <= bytes.length && view.getUint32(end, true) === SIGNATURE.descriptor ? end + 4 : end;
  if (from + 12 > bytes.length) return undefined;
  const isRight = [crc, packedSize, size].every(
    (expected, index) => view.getUint32(from + 4 * index, true) === expected,
  );
  return isRight ? { ...local, end: from + 12 } : undefined;
}

function unpack({ method, size, crc }: Entry, packed: Uint8Array): Uint8Array | undefined {
  let contents = packed;
  if (method === DEFLATED) {
    const { buffer, engine } = inflateRawSync(packed, {
      maxOutputLength: Math.max(1, size),
      info: true,
    }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten !== packed.length) return undefined;
    contents = buffer;
  } else if (method !== STORED) return undefined;
  return contents.length === size && crc32(contents) === crc ? contents : undefined;
}

/** A time in DOS's form, in whatever zone it was. */
function dosTime(date: number, time: number): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  const day = `${1980 + (date >> 9)}-${two((date >> 5) & 15)}-${two(date & 31)}`;
  return `${day}T${two(time >> 11)}:${two((time >> 5) & 63)}:${two((time & 31) * 2)}`;
}

function memberOf(
  bytes: Uint8Array,
  view: DataView,
  entry: Entry,
): { readonly member: Member; readonly end: number } | undefined {
  if ((entry.flags & FLAG.encrypted) !== 0) return undefined;
  const local = localMember(bytes, view, entry);
  if (local === undefined) return undefined;
  const contents = unpack(entry, local.packed);
  const [central, own] = [extraFields(entry.extra), extraFields(local.extra)];
  if (contents === undefined || central === undefined || own === undefined) return undefined;
  const { flags, method, needed, madeBy, mode, attributes, comment } = entry;
  const name = Buffer.from(entry.name).toString((flags & FLAG.utf8) === 0 ? "latin1" : "utf8");
  // How it is compressed is said by the method, by what is needed for it, and by flags.
  const how = Buffer.from([method, needed & 255, needed >> 8, flags & FLAG.level]);
  return {
    member: {
      name,
      type: name.endsWith("/") ? "directory" : "regular",
      time: `${dosTime(entry.date, entry.time)}${own.times}${central.times}`,
      facts: (mode & 0o7777).toString(8).padStart(4, "0"),
      rest: JSON.stringify([
        flags & ~FLAG.level,
        madeBy,
        mode & ~0o7777,
        attributes,
        own.rest,
        central.rest,
        comment,
        latin1(entry.name),
      ]),
      target: "",
      contents,
      packed: Buffer.concat([how, local.packed]),
    },
    end: local.end,
  };
}

export const zipReader: ContainerReader = {
  read(bytes, room) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = bytes.length - SIZE.end;
    // A comment behind the end would have to be searched for, and could be anything.
    if (end < 0 || view.getUint32(end, true) !== SIGNATURE.end || view.getUint16(end + 20, true) !== 0)
      return undefined;
    const [disk, startDisk, here, all] = [4, 6, 8, 10].map((offset) => view.getUint16(end + offset, true));
    const [size, from] = [view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
    if (disk !== 0 || startDisk !== 0 || here !== all || from + size !== end) return undefined;
    const entries = centralDirectory(bytes, view, from, end);
    if (entries === undefined || entries.length !== all) return undefined;
    // No more is inflated than that, so a zip that claims too much has cost nothing.
    const sizeBytes = entries.reduce((sum, entry) => sum + entry.size, 0);
    if (sizeBytes > room.bytes) return undefined;
    takeRoom(room, sizeBytes);
    const members: Member[] = [];
    let at = 0;
    try {
      // In the order of the central directory, which is the one that readers see, and has to be that of the file.
      for (const entry of entries) {
        const read = entry.offset === at ? memberOf(bytes, view, entry) : undefined;
        if (read === undefined) return undefined;
        members.push(read.member);
        at = read.end;
      }
    } catch {
      // What zlib does not take.
      return undefined;
    }
    return at === from ? { format: "zip", members } : undefined;
  },
};
