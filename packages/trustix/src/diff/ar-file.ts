// ar archives as GNU and LLVM write them (`lib*.a`; ar(5)): members, the table of long names, and the symbol table.
//
// Both tables depend on the order of the members. They are given out sorted, symbols with their members' names in place of
// offsets, so that archives with the same members in another order differ in nothing but the order.
import { type ContainerReader, latin1, MAX_MEMBERS, type Member, timeOf } from "./container.ts";

const MAGIC = "!<arch>\n";
const HEADER = 60;
/** Longest name of a member in bytes: no file system has longer ones. */
const MAX_NAME_BYTES = 4096;
/** The symbol table as text, in characters. */
const MAX_SYMBOL_LINES = 32 << 20;
/** Numbers have one spelling: padded with spaces on the right. The tables have no owner at some writers. */
const NUMBER = /^(?:0|[1-9]\d*|) *$/;
const OCTAL = /^[0-7]* *$/;

interface Entry {
  /** As in the header: short, or where it is in the table of long names. */
  readonly name: string;
  readonly time: string;
  readonly facts: string;
  readonly contents: Uint8Array;
  /** Where its header begins. */
  readonly offset: number;
}

/** The members as they are in the file, or undefined. */
function entriesOf(bytes: Uint8Array): Entry[] | undefined {
  const entries: Entry[] = [];
  for (let offset = MAGIC.length; offset < bytes.length; ) {
    const header = latin1(bytes.subarray(offset, offset + HEADER));
    const field = (from: number, to: number): string => header.slice(from, to);
    const [time, user, group, mode] = [field(16, 28), field(28, 34), field(34, 40), field(40, 48)];
    const isRight =
      [time, user, group, field(48, 58)].every((number) => NUMBER.test(number)) && OCTAL.test(mode);
    if (!isRight || field(58, 60) !== "`\n" || entries.length === MAX_MEMBERS) return undefined;
    const start = offset + HEADER;
    const end = start + Number(field(48, 58));
    // Members begin at even offsets.
    if (end > bytes.length || (end % 2 === 1 && bytes[end] !== 0x0a)) return undefined;
    entries.push({
      name: field(0, 16).trimEnd(),
      time: timeOf(Number(time)),
      facts: `${mode.trim()} ${user.trim()}:${group.trim()}`,
      contents: bytes.subarray(start, end),
      offset,
    });
    offset = end + (end % 2);
  }
  return entries;
}

/** `name/` is a short name, `/123` one in the table. */
function fullName(name: string, names: Uint8Array | undefined): string | undefined {
  if (/^\/\d+$/.test(name)) {
    const from = Number(name.slice(1));
    const rest = names === undefined ? "" : latin1(names.subarray(from, from + MAX_NAME_BYTES));
    const end = rest.indexOf("/\n");
    return end < 0 ? undefined : rest.slice(0, end);
  }
  return name.endsWith("/") ? name.slice(0, -1) : name;
}

/** A line for each symbol and the member that defines it, sorted; undefined when it is not well-formed. */
function symbolLines(table: Uint8Array, nameAt: ReadonlyMap<number, string>): string | undefined {
  if (table.length < 4) return undefined;
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const count = view.getUint32(0);
  const start = 4 + 4 * count;
  if (start > table.length) return undefined;
  const names = latin1(table.subarray(start)).split("\0");
  // Behind the last name there is nothing, or one NUL that fills the table up.
  if (names.length <= count || names.slice(count).some((name) => name !== "") || names.length > count + 4)
    return undefined;
  const lines: string[] = [];
  let length = 0;
  for (let index = 0; index < count; index++) {
    const member = nameAt.get(view.getUint32(4 + 4 * index));
    if (member === undefined) return undefined;
    const line = `${names[index]} in ${member}\n`;
    length += line.length;
    if (length > MAX_SYMBOL_LINES) return undefined;
    lines.push(line);
  }
  return lines.sort().join("");
}

export const arReader: ContainerReader = {
  read(bytes) {
    if (latin1(bytes.subarray(0, MAGIC.length)) !== MAGIC) return undefined;
    const entries = entriesOf(bytes);
    if (entries === undefined) return undefined;
    const names = entries.find(({ name }) => name === "//")?.contents;
    const nameAt = new Map<number, string>();
    for (const { name, offset } of entries) {
      const full = fullName(name, names);
      if (full === undefined) return undefined;
      nameAt.set(offset, full);
    }
    const members: Member[] = [];
    for (const { name, time, facts, contents, offset } of entries) {
      const put = (fullName: string, shown: Uint8Array): void => {
        const member = { name: fullName, type: "regular", time, facts, rest: "", target: "" } as const;
        members.push({ ...member, contents: shown, packed: shown });
      };
      if (name === "/") {
        const lines = symbolLines(contents, nameAt);
        if (lines === undefined) return undefined;
        put("symbol table", Buffer.from(lines, "latin1"));
      } else if (name === "//") {
        put("long names", Buffer.from(latin1(contents).split("\n").sort().join("\n"), "latin1"));
      } else put(nameAt.get(offset)!, contents);
    }
    return { format: "ar", members };
  },
};
