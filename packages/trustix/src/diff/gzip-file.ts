// gzip files (RFC 1952) as containers of one member.
import { crc32, inflateRawSync } from "node:zlib";
import { type ContainerReader, latin1, type Room, takeRoom, timeOf } from "./container.ts";

const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const;
const MAX_PARTS = 1000;
/** No byte of deflate stands for more. */
const MAX_RATIO = 1032;

/** The contents of one part, and where the next begins. */
interface Part {
  readonly time: number;
  readonly facts: string;
  readonly rest: string;
  readonly contents: Uint8Array;
  /** With the flag byte that says how hard the compressor tried. */
  readonly packed: Uint8Array;
  readonly end: number;
}

function readPart(bytes: Uint8Array, start: number, room: Room): Part | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start + 18 > bytes.length || view.getUint32(start) >>> 8 !== 0x1f8b08) return undefined;
  const flags = bytes[start + 3]!;
  // A checksum over the header would change with the time in it; nobody writes one.
  if ((flags & ~(1 | FLAG.extra | FLAG.name | FLAG.comment)) !== 0) return undefined;
  let at = start + 10;
  if ((flags & FLAG.extra) !== 0) at += 2 + view.getUint16(at, true);
  const extra = latin1(bytes.subarray(start + 10, at));
  const texts: string[] = [];
  for (const flag of [FLAG.name, FLAG.comment]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) return undefined;
    texts.push(latin1(bytes.subarray(at, end)));
    at = end + 1;
  }
  if (at + 8 > bytes.length) return undefined;
  const { buffer: contents, engine } = inflate(bytes.subarray(at), room);
  const packed = Buffer.concat([
    bytes.subarray(start + 8, start + 9),
    bytes.subarray(at, at + engine.bytesWritten),
  ]);
  at += engine.bytesWritten;
  if (at + 8 > bytes.length) return undefined;
  const isRight =
    view.getUint32(at, true) === crc32(contents) && view.getUint32(at + 4, true) === contents.length;
  if (!isRight) return undefined;
  return {
    time: view.getUint32(start + 4, true),
    facts: [...texts, `written on system ${bytes[start + 9]}`].join(", "),
    rest: `${flags} ${extra}`,
    contents,
    packed,
    end: at + 8,
  };
}

interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

function inflate(packed: Uint8Array, room: Room): Inflated {
  try {
    const options = { maxOutputLength: Math.max(1, room.bytes), info: true };
    const inflated = inflateRawSync(packed, options) as unknown as Inflated;
    takeRoom(room, inflated.buffer.length);
    return inflated;
  } catch (error) {
    // How much came out before is not told.
    takeRoom(room, packed.length * MAX_RATIO);
    throw error;
  }
}

/** Parts one after the other make one file. */
export const gzipReader: ContainerReader = {
  read(bytes, room) {
    if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return undefined;
    const parts: Part[] = [];
    try {
      for (let at = 0; at < bytes.length; ) {
        const part = parts.length < MAX_PARTS ? readPart(bytes, at, room) : undefined;
        if (part === undefined) return undefined;
        parts.push(part);
        at = part.end;
      }
    } catch {
      // What zlib does not take is not gzip, or more than may come out.
      return undefined;
    }
    const facts = (each: (part: Part) => string): string => parts.map(each).join("; ");
    return {
      format: "gzip",
      members: [
        {
          name: "",
          type: "regular",
          time: facts(({ time }) => (time === 0 ? "none" : timeOf(time))),
          facts: facts((part) => part.facts),
          rest: facts((part) => part.rest),
          target: "",
          contents:
            parts.length === 1 ? parts[0]!.contents : Buffer.concat(parts.map((part) => part.contents)),
          packed: Buffer.concat(parts.map((part) => part.packed)),
        },
      ],
    };
  },
};
