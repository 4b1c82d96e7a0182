// Archives for tests, byte by byte: what real tools write, and what none would.
import { crc32, deflateRawSync } from "node:zlib";

export interface TestMember {
  readonly name: string;
  readonly contents: string | Uint8Array;
  /** Seconds since 1970. Default 1. */
  readonly time?: number;
  readonly mode?: number;
  readonly owner?: string;
  /** Deflate level in a zip; 0 stores. Default 6. */
  readonly level?: number;
}

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`;

/** A ustar archive. */
export function makeTar(members: readonly TestMember[]): Buffer {
  const blocks = members.flatMap(({ name, contents, time = 1, mode = 0o644, owner = "root" }) => {
    const data = Buffer.from(contents);
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(octal(mode, 8), 100);
    header.write(octal(0, 8), 108);
    header.write(octal(0, 8), 116);
    header.write(octal(data.length, 12), 124);
    header.write(octal(time, 12), 136);
    header.write("        ", 148);
    header.write("0", 156);
    header.write("ustar\x0000", 257);
    header.write(owner, 265);
    header.write(owner, 297);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** An ar archive with short names; a symbol table when symbols are given by member. */
export function makeAr(
  members: readonly TestMember[],
  symbols: Readonly<Record<string, readonly string[]>> = {},
): Buffer {
  const entry = (name: string, time: number, mode: number, contents: Uint8Array): Buffer => {
    const fields = [
      name.padEnd(16),
      `${time}`.padEnd(12),
      "0".padEnd(6),
      "0".padEnd(6),
      mode.toString(8).padEnd(8),
    ];
    const header = `${fields.join("")}${`${contents.length}`.padEnd(10)}\`\n`;
    return Buffer.concat([Buffer.from(header), contents, Buffer.from(contents.length % 2 === 1 ? "\n" : "")]);
  };
  const files = members.map(({ name, contents, time = 0, mode = 0o100644 }) =>
    entry(`${name}/`, time, mode, Buffer.from(contents)),
  );
  const names = members.flatMap(({ name }) => symbols[name] ?? []);
  const tableSize = 4 + 4 * names.length + names.reduce((sum, name) => sum + name.length + 1, 0);
  let offset = 8 + (names.length === 0 ? 0 : 60 + tableSize + (tableSize % 2));
  const offsets = members.flatMap(({ name }, index) => {
    const own = (symbols[name] ?? []).map(() => offset);
    offset += files[index]!.length;
    return own;
  });
  const table = Buffer.alloc(4 + 4 * offsets.length);
  for (const [index, value] of [offsets.length, ...offsets].entries()) table.writeUInt32BE(value, 4 * index);
  const symbolTable = Buffer.concat([table, Buffer.from(names.map((name) => `${name}\0`).join(""))]);
  return Buffer.concat([
    Buffer.from("!<arch>\n"),
    ...(names.length === 0 ? [] : [entry("/", 0, 0, symbolTable)]),
    ...files,
  ]);
}

/** A zip archive, with data descriptors or without. */
export function makeZip(members: readonly TestMember[], hasDescriptors = false): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, contents, time = 0x5000_0000, mode = 0o644, level = 6 } of members) {
    const data = Buffer.from(contents);
    const packed = level === 0 ? data : deflateRawSync(data, { level });
    const common = Buffer.alloc(22);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(hasDescriptors ? 8 : 0, 2);
    common.writeUInt16LE(level === 0 ? 0 : 8, 4);
    common.writeUInt32LE(time, 6);
    const sizes = Buffer.alloc(12);
    sizes.writeUInt32LE(crc32(data), 0);
    sizes.writeUInt32LE(packed.length, 4);
    sizes.writeUInt32LE(data.length, 8);
    if (!hasDescriptors) sizes.copy(common, 10);
    const nameBytes = Buffer.from(name);
    const lengths = Buffer.alloc(4);
    lengths.writeUInt16LE(nameBytes.length, 0);
    const descriptor = hasDescriptors ? [Buffer.from("PK\x07\x08", "latin1"), sizes] : [];
    const local = Buffer.concat([
      Buffer.from("PK\x03\x04", "latin1"),
      common,
      lengths,
      nameBytes,
      packed,
      ...descriptor,
    ]);
    const central = Buffer.alloc(46);
    central.write("PK\x01\x02", 0, "latin1");
    central.writeUInt16LE((3 << 8) | 20, 4);
    common.copy(central, 6);
    sizes.copy(central, 16);
    central.writeUInt16LE(nameBytes.length, 28);
    central.writeUInt32LE((mode << 16) >>> 0, 38);
    central.writeUInt32LE(offset, 42);
    locals.push(local);
    centrals.push(Buffer.concat([central, nameBytes]));
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** An ELF file of either class and byte order with these sections, in order. */
export function makeElf(
  sections: readonly (readonly [name: string, contents: Uint8Array])[],
  { is64 = true, isLittle = true } = {},
): Buffer {
  const word = is64 ? 8 : 4;
  const headerSize = is64 ? 64 : 52;
  const entrySize = is64 ? 64 : 40;
  const names = Buffer.from(`\0${[...sections.map(([name]) => name), ".shstrtab"].join("\0")}\0`);
  const all = [...sections, [".shstrtab", names] as const];
  const body = Buffer.concat(all.map(([, contents]) => contents));
  const tableAt = headerSize + body.length;
  const bytes = Buffer.alloc(tableAt + entrySize * (all.length + 1));
  const put = (value: number, at: number, size: number): void => {
    const where = isLittle ? at : at + size - Math.min(size, 4);
    const length = Math.min(size, 4);
    if (isLittle) bytes.writeUIntLE(value, where, length);
    else bytes.writeUIntBE(value, where, length);
  };
  bytes.write("\x7fELF", 0, "latin1");
  bytes.set([is64 ? 2 : 1, isLittle ? 1 : 2, 1], 4);
  put(tableAt, is64 ? 40 : 32, word);
  const rest = is64 ? 52 : 40;
  put(headerSize, rest, 2);
  put(entrySize, rest + 6, 2);
  put(all.length + 1, rest + 8, 2);
  put(all.length, rest + 10, 2);
  body.copy(bytes, headerSize);
  let offset = headerSize;
  all.forEach(([name, contents], index) => {
    const at = tableAt + entrySize * (index + 1);
    put(names.indexOf(`\0${name}\0`) + 1, at, 4);
    put(1, at + 4, 4);
    put(offset, at + (is64 ? 24 : 16), word);
    put(contents.length, at + (is64 ? 32 : 20), word);
    offset += contents.length;
  });
  return bytes;
}
