// What differs between two versions of a file: lines of text, sections of ELF files, members of archives, and what is behind
// a compression; and whether all of it is of a usual kind.
import type { DifferenceCauseName, DifferenceJson } from "../http/diff-schema.ts";
import { arReader } from "./ar-file.ts";
import type { Container, ContainerReader, Member } from "./container.ts";
import { causesOf } from "./difference-cause.ts";
import { diffElf, withoutBuildIds } from "./elf.ts";
import { gzipReader } from "./gzip-file.ts";
import { tarReader } from "./tar-file.ts";
import { diffText, textOf } from "./text-diff.ts";
import { zipReader } from "./zip-file.ts";

/** What a comparison may still take. It is used up by all files of two trees together, so that their number is no way round. */
export interface Budget {
  /** Bytes of contents that are looked into, decompressed ones among them. */
  workBytes: number;
  /** Lines of text diffs. */
  textLines: number;
}

type ContentsJson = Extract<DifferenceJson, { readonly kind: "contents" }>;

/** What there is to say of contents that differ, besides where. */
export type ContentsFindings = Pick<ContentsJson, "causes" | "text" | "elf" | "inside">;

const READERS: readonly ContainerReader[] = [gzipReader, tarReader, arReader, zipReader];
/** An archive in a compressed file in an archive is looked into, and no deeper. */
const MAX_DEPTH = 3;
const MAX_MEMBER_DIFFERENCES = 100;
/** Texts above this size are not compared line by line. */
const MAX_TEXT_BYTES = 2 << 20;
const MAX_TEXT_LINES = 200;
/** How much is shown around a first difference. */
export const EXCERPT_BYTES = { before: 32, after: 96 };

const CAUSE_ORDER: readonly DifferenceCauseName[] = [
  "store-path",
  "timestamp",
  "compression",
  "order",
  "metadata",
  "build-id",
];

/** Causes of several differences: all of them, or none when one is not explained. */
function together(findings: readonly (readonly DifferenceCauseName[])[]): DifferenceCauseName[] {
  if (findings.some((causes) => causes.length === 0)) return [];
  return CAUSE_ORDER.filter((cause) => findings.some((causes) => causes.includes(cause)));
}

/** Nothing was looked into. */
export const NO_FINDINGS: ContentsFindings = { causes: [], text: null, elf: null, inside: null };

/** The length of what two byte sequences begin with together. */
export function sharedLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) === 0) return length;
  let at = 0;
  while (a[at] === b[at]) at++;
  return at;
}

/** Bytes of both around a difference. */
function excerptOf(before: Uint8Array, after: Uint8Array, at: number): ContentsJson["excerpt"] {
  const from = Math.max(0, at - EXCERPT_BYTES.before);
  const hex = (bytes: Uint8Array): string =>
    Buffer.from(bytes.subarray(from, at + EXCERPT_BYTES.after)).toString("hex");
  return { from, before: hex(before), after: hex(after) };
}

/**
 * Looks into two versions that differ.
 * @param depth how many containers these contents are in
 */
export function examine(before: Uint8Array, after: Uint8Array, budget: Budget, depth = 0): ContentsFindings {
  budget.workBytes -= before.length + after.length;
  if (budget.workBytes < 0) return NO_FINDINGS;
  const container = depth < MAX_DEPTH ? examineContainers(before, after, budget, depth) : undefined;
  if (container !== undefined) return container;
  const elf = diffElf(before, after, sharedLength(before, after)) ?? null;
  if (elf !== null) return { ...NO_FINDINGS, elf, causes: causesInElf(before, after) };
  return { ...NO_FINDINGS, causes: causesOf(before, after), text: textDiff(before, after, budget) };
}

function causesInElf(before: Uint8Array, after: Uint8Array): DifferenceCauseName[] {
  const rest = withoutBuildIds(before, after);
  if (rest === undefined) return causesOf(before, after);
  if (Buffer.compare(...rest) === 0) return ["build-id"];
  const causes = causesOf(...rest);
  return causes.length === 0 ? [] : [...causes, "build-id"];
}

function textDiff(before: Uint8Array, after: Uint8Array, budget: Budget): ContentsFindings["text"] {
  if (Math.max(before.length, after.length) > MAX_TEXT_BYTES) return null;
  const [left, right] = [textOf(before), textOf(after)];
  if (left === undefined || right === undefined) return null;
  const text = diffText(left, right, { maxLines: Math.min(MAX_TEXT_LINES, budget.textLines) });
  budget.textLines -= text.hunks.reduce((sum, { lines }) => sum + lines.length, 0);
  return text;
}

/** Both as containers of one format; undefined when they are not, or when that does not show any difference. */
function examineContainers(
  before: Uint8Array,
  after: Uint8Array,
  budget: Budget,
  depth: number,
): ContentsFindings | undefined {
  for (const reader of READERS) {
    const half = Math.floor(budget.workBytes / 2);
    const read = (bytes: Uint8Array): Container | undefined => {
      const room = { bytes: half };
      const container = reader.read(bytes, room);
      budget.workBytes -= half - room.bytes;
      return container;
    };
    const left = read(before);
    const right = left === undefined ? undefined : read(after);
    if (left === undefined || right === undefined) continue;
    const comparison = new MemberComparison(budget, depth);
    comparison.compare(left, right);
    const { differences, unlisted, reordered, causes } = comparison;
    if (differences.length === 0 && !reordered) return undefined;
    return {
      ...NO_FINDINGS,
      causes: together(causes),
      inside: { format: left.format, reordered, differences, unlisted },
    };
  }
  return undefined;
}

/** The comparison of two containers, member by member. */
class MemberComparison {
  readonly differences: DifferenceJson[] = [];
  unlisted = 0;
  reordered = false;
  /** Of each difference; an empty list for one that is not explained. */
  readonly causes: DifferenceCauseName[][] = [];
  readonly #budget: Budget;
  readonly #depth: number;

  constructor(budget: Budget, depth: number) {
    this.#budget = budget;
    this.#depth = depth;
  }

  compare(before: Container, after: Container): void {
    const [left, right] = [byName(before.members), byName(after.members)];
    for (const key of new Set([...left.keys(), ...right.keys()])) {
      const [a, b] = [left.get(key), right.get(key)];
      if (a !== undefined && b !== undefined) this.#members(a, b);
      else if (a !== undefined) this.#found(oneSided("removed", a), []);
      else this.#found(oneSided("added", b!), []);
    }
    const common = (one: ReadonlyMap<string, Member>, other: ReadonlyMap<string, Member>): string[] =>
      [...one.keys()].filter((key) => other.has(key));
    const order = common(right, left);
    this.reordered = common(left, right).some((key, index) => key !== order[index]);
    if (this.reordered) this.causes.push(["order"]);
  }

  #found(difference: DifferenceJson, causes: DifferenceCauseName[]): void {
    this.causes.push(causes);
    if (this.differences.length < MAX_MEMBER_DIFFERENCES) this.differences.push(difference);
    else this.unlisted++;
  }

  #members(before: Member, after: Member): void {
    const path = before.name;
    if (before.type !== after.type)
      this.#found({ path, kind: "type", before: before.type, after: after.type }, []);
    else if (before.target !== after.target) {
      const causes = causesOf(Buffer.from(before.target), Buffer.from(after.target));
      this.#found({ path, kind: "symlink", before: before.target, after: after.target, causes }, causes);
    } else if (before.rest !== after.rest) {
      const [a, b] = [before.facts, after.facts];
      this.#found({ path, kind: "metadata", before: a, after: `${b} (and a header of another form)` }, []);
    } else if (before.facts !== after.facts) {
      this.#found({ path, kind: "metadata", before: before.facts, after: after.facts }, ["metadata"]);
    }
    if (before.time !== after.time) {
      this.#found({ path, kind: "time", before: before.time, after: after.time }, ["timestamp"]);
    }
    this.#contents(path, before, after);
  }

  #contents(path: string, before: Member, after: Member): void {
    const [a, b] = [before.contents, after.contents];
    if (Buffer.compare(a, b) !== 0) {
      const difference = contentsDifference(path, a, b, examine(a, b, this.#budget, this.#depth + 1));
      this.#found(difference, difference.causes);
    } else if (Buffer.compare(before.packed, after.packed) !== 0) {
      const sizes = { before: before.packed.length, after: after.packed.length };
      this.#found({ path, kind: "compression", ...sizes }, ["compression"]);
    }
  }
}

function contentsDifference(
  path: string,
  before: Uint8Array,
  after: Uint8Array,
  findings: ContentsFindings,
): ContentsJson {
  const firstDifference = sharedLength(before, after);
  return {
    path,
    kind: "contents",
    beforeBytes: before.length,
    afterBytes: after.length,
    firstDifference,
    excerpt: excerptOf(before, after, firstDifference),
    ...findings,
  };
}

/** Members that have the same name are told apart by their number. */
function byName(members: readonly Member[]): Map<string, Member> {
  const named = new Map<string, Member>();
  const counts = new Map<string, number>();
  for (const member of members) {
    const number = (counts.get(member.name) ?? 0) + 1;
    counts.set(member.name, number);
    named.set(`${number} ${member.name}`, member);
  }
  return named;
}

function oneSided(kind: "added" | "removed", { name, type, contents }: Member): DifferenceJson {
  return { path: name, kind, type, files: type === "regular" ? 1 : 0, bytes: contents.length };
}
