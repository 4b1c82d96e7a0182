// Where two ELF files differ, by section. Strict: a file whose headers do not add up is no ELF file here.
//
// System V ABI, "Object Files" (gABI 4.1), with the extended numbering of sections.
import type { ElfDifferenceJson } from "../http/diff-schema.ts";

/** A part of a file: a section by its name, or what else there is, in brackets. */
interface Part {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** An ELF file's layout. */
export interface ElfLayout {
  /** Those that take up bytes of the file, in file order. */
  readonly sections: readonly Part[];
  readonly headers: readonly Part[];
}

const MAGIC = 0x7f454c46;
const MAX_SECTIONS = 65_535;
const MAX_NAME_BYTES = 200;
const MAX_CHANGED = 100;
/** Type of sections that take up no bytes of the file, such as `.bss`. */
const NOBITS = 8;

/** The layout of an ELF file, or undefined for any other, broken ones among them. */
function parseElf(bytes: Uint8Array): ElfLayout | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 52 || view.getUint32(0) !== MAGIC) return undefined;
  const [bits, order] = [bytes[4], bytes[5]];
  if ((bits !== 1 && bits !== 2) || (order !== 1 && order !== 2)) return undefined;
  const isLittle = order === 1;
  const is64 = bits === 2;
  if (is64 && bytes.length < 64) return undefined;
  const u16 = (at: number): number => view.getUint16(at, isLittle);
  const u32 = (at: number): number => view.getUint32(at, isLittle);
  /** An address or offset; beyond 2^53 it is rounded, and beyond the file either way. */
  const word = (at: number): number => (is64 ? Number(view.getBigUint64(at, isLittle)) : u32(at));
  const fits = (from: number, size: number): boolean => from + size <= bytes.length;

  // Behind e_shoff the fields of both classes have the same sizes.
  const [programFrom, tableFrom] = is64 ? [word(32), word(40)] : [word(28), word(32)];
  const rest = is64 ? 52 : 40;
  const [programSize, programCount, entrySize] = [u16(rest + 2), u16(rest + 4), u16(rest + 6)];
  const headers: Part[] = [{ name: "[ELF header]", from: 0, to: is64 ? 64 : 52 }];
  if (programCount > 0) {
    if (!fits(programFrom, programSize * programCount)) return undefined;
    headers.push({
      name: "[program headers]",
      from: programFrom,
      to: programFrom + programSize * programCount,
    });
  }
  if (tableFrom === 0) return { sections: [], headers };
  const [sizeAt, offsetAt, linkAt] = is64 ? [32, 24, 40] : [20, 16, 24];
  if (entrySize < (is64 ? 64 : 40) || !fits(tableFrom, entrySize)) return undefined;
  // Counts that do not fit their fields are in the first section header, which is none of a section.
  const count = u16(rest + 8) || word(tableFrom + sizeAt);
  const namesIndex = u16(rest + 10) === 0xffff ? u32(tableFrom + linkAt) : u16(rest + 10);
  if (count > MAX_SECTIONS || namesIndex >= count || !fits(tableFrom, entrySize * count)) return undefined;
  headers.push({ name: "[section headers]", from: tableFrom, to: tableFrom + entrySize * count });

  const header = (index: number) => {
    const at = tableFrom + entrySize * index;
    const size = u32(at + 4) === NOBITS ? 0 : word(at + sizeAt);
    return { nameAt: u32(at), from: word(at + offsetAt), size };
  };
  const names = header(namesIndex);
  if (!fits(names.from, names.size)) return undefined;
  const sections: Part[] = [];
  let sum = 0;
  for (let index = 1; index < count; index++) {
    const { nameAt, from, size } = header(index);
    if (size === 0) continue;
    sum += size;
    // Sections that lie on top of each other would be compared again and again.
    if (!fits(from, size) || sum > bytes.length || nameAt >= names.size) return undefined;
    const start = names.from + nameAt;
    const text = bytes.subarray(start, Math.min(start + MAX_NAME_BYTES, names.from + names.size));
    const end = text.indexOf(0);
    const name = Buffer.from(end < 0 ? text : text.subarray(0, end)).toString("latin1");
    sections.push({ name, from, to: from + size });
  }
  sections.sort((a, b) => a.from - b.from);
  return { sections, headers };
}

/** The part that has the byte at an offset; sections first, for headers may be inside of none. */
function partAt({ sections, headers }: ElfLayout, offset: number): Part | undefined {
  const has = ({ from, to }: Part): boolean => from <= offset && offset < to;
  return sections.find(has) ?? headers.find(has);
}

/** By name; sections that have the same name are told apart by their number. */
function byName(sections: readonly Part[]): Map<string, Part> {
  const named = new Map<string, Part>();
  const counts = new Map<string, number>();
  for (const section of sections) {
    const number = (counts.get(section.name) ?? 0) + 1;
    counts.set(section.name, number);
    named.set(`${number} ${section.name}`, section);
  }
  return named;
}

/** Where two files differ, or undefined unless both are ELF files. @param firstDifference offset of the first such byte */
export function diffElf(
  before: Uint8Array,
  after: Uint8Array,
  firstDifference: number,
): ElfDifferenceJson | undefined {
  const [left, right] = [parseElf(before), parseElf(after)];
  if (left === undefined || right === undefined) return undefined;
  const part = partAt(left, firstDifference) ?? partAt(right, firstDifference);
  const [leftNames, rightNames] = [byName(left.sections), byName(right.sections)];
  const changed = new Set<string>();
  for (const key of new Set([...leftNames.keys(), ...rightNames.keys()])) {
    const [a, b] = [leftNames.get(key), rightNames.get(key)];
    if (a !== undefined && b !== undefined) {
      if (Buffer.compare(before.subarray(a.from, a.to), after.subarray(b.from, b.to)) === 0) continue;
    }
    changed.add((a ?? b)!.name);
    if (changed.size === MAX_CHANGED) break;
  }
  return {
    where: part?.name ?? "[between sections]",
    offset: part === undefined ? 0 : firstDifference - part.from,
    changed: [...changed],
  };
}

const BUILD_ID = ".note.gnu.build-id";

/** Both files with zeros in their build ids; undefined unless these are in one place, of one size, and differ. */
export function withoutBuildIds(
  before: Uint8Array,
  after: Uint8Array,
): readonly [Uint8Array, Uint8Array] | undefined {
  const noteOf = (bytes: Uint8Array): Part | undefined =>
    parseElf(bytes)?.sections.find(({ name }) => name === BUILD_ID);
  const [left, right] = [noteOf(before), noteOf(after)];
  if (left === undefined || right === undefined || left.from !== right.from || left.to !== right.to)
    return undefined;
  const { from, to } = left;
  if (Buffer.compare(before.subarray(from, to), after.subarray(from, to)) === 0) return undefined;
  const [a, b] = [before.slice(), after.slice()];
  a.fill(0, from, to);
  b.fill(0, from, to);
  return [a, b];
}
