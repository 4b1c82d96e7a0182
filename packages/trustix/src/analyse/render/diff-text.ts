// What differs between two outputs, as text for a terminal.
import type {
  ContainerDiffJson,
  DifferenceCauseName,
  DifferenceJson,
  PathDiffJson,
  TextDiffJson,
} from "../../http/diff-schema.ts";
import { type Paint, visible } from "../../terminal.ts";

/** How much is shown. */
export interface DiffTextOptions {
  /** Every line and every difference that is known. Default false: as much as fits a screen or two. */
  readonly full?: boolean;
}

interface Limits {
  readonly differences: number;
  readonly members: number;
  readonly lines: number;
}

const SHORT: Limits = { differences: 40, members: 8, lines: 24 };
const FULL: Limits = { differences: Infinity, members: Infinity, lines: Infinity };
const BYTES_A_ROW = 16;

type Contents = Extract<DifferenceJson, { readonly kind: "contents" }>;

const CAUSES: Readonly<Record<DifferenceCauseName, string>> = {
  "store-path": "store paths",
  timestamp: "timestamps",
  compression: "compression",
  order: "order of members",
  metadata: "archive metadata",
  "build-id": "build id",
};

/** The whole comparison. */
export function renderDiff(diff: PathDiffJson, paint: Paint, options: DiffTextOptions = {}): string {
  const limits = options.full ? FULL : SHORT;
  const lines = [...sides(diff, paint), "", ...summary(diff, paint)];
  const shown = diff.differences.slice(0, limits.differences);
  if (shown.length > 0) lines.push("");
  for (const difference of shown) lines.push(...describe(difference, paint, limits));
  const more = diff.differences.length - shown.length + diff.unlisted;
  if (more > 0)
    lines.push(paint("dim", `… and ${more} more differences${diff.unlisted < more ? " (--full)" : ""}`));
  return lines.join("\n");
}

function sides({ before, after }: PathDiffJson, paint: Paint): string[] {
  const line = (sign: string, style: Parameters<Paint>[0], side: PathDiffJson["before"]): string =>
    `  ${paint(style, sign)} ${side.narHash}  ${count(side.narSize, "byte")}  ${side.operators.map(visible).join(", ")}`;
  const lines = [paint("bold", visible(before.storePath))];
  if (before.storePath !== after.storePath) lines.push(paint("bold", visible(after.storePath)));
  lines.push(line("-", "red", before), line("+", "green", after));
  const only = (one: PathDiffJson["before"], other: PathDiffJson["before"]): string[] =>
    one.references.filter((each) => !other.references.includes(each));
  for (const reference of only(before, after))
    lines.push(paint("red", `  - refers to ${visible(reference)}`));
  for (const reference of only(after, before))
    lines.push(paint("green", `  + refers to ${visible(reference)}`));
  return lines;
}

const WORDS: readonly (readonly [kinds: readonly DifferenceJson["kind"][], words: string])[] = [
  [["contents"], "changed"],
  [["added"], "added"],
  [["removed"], "removed"],
  [["mode"], "with another mode"],
  [["symlink"], "with another target"],
  [["type"], "of another type"],
];

function summary({ before, after, differences, unlisted }: PathDiffJson, paint: Paint): string[] {
  if (before.narHash === after.narHash)
    return ["the bytes are the same; what they refer to or are named is not"];
  const counts = WORDS.map(
    ([kinds, words]) => [differences.filter(({ kind }) => kinds.includes(kind)).length, words] as const,
  )
    .filter(([found]) => found > 0)
    .map(([found, words]) => `${number(found)} ${words}`);
  const lines = [`${count(differences.length + unlisted, "difference")}: ${counts.join(", ")}`];
  const causes = new Set(differences.flatMap((each) => ("causes" in each ? each.causes : [])));
  const explained = differences.filter((each) => "causes" in each && each.causes.length > 0).length;
  const names = [...causes].map((cause) => CAUSES[cause]).join(", ");
  if (explained > 0 && explained === differences.length && unlisted === 0) {
    lines.push(paint("yellow", `all of it is of a usual kind: ${names} (as it looks; that proves nothing)`));
  } else if (explained > 0) lines.push(`${explained} of them of a usual kind: ${names}`);
  return lines;
}

/** One difference: a line, and what there is to see of it, indented. */
function describe(difference: DifferenceJson, paint: Paint, limits: Limits): string[] {
  const path = paint("bold", difference.path === "" ? "(the file itself)" : visible(difference.path));
  const line = (sign: string, style: Parameters<Paint>[0], words: string): string[] => [
    `${paint(style, sign)} ${path}  ${words}`,
  ];
  switch (difference.kind) {
    case "added":
    case "removed": {
      const { kind, type, files, bytes } = difference;
      const what =
        type === "directory"
          ? `directory, ${count(files, "file")}, ${count(bytes, "byte")}`
          : type === "symlink"
            ? "symlink"
            : count(bytes, "byte");
      return kind === "added" ? line("+", "green", what) : line("-", "red", what);
    }
    case "type":
      return line("~", "yellow", `${difference.before} → ${difference.after}`);
    case "mode":
      return line(
        "~",
        "yellow",
        difference.after ? "not executable → executable" : "executable → not executable",
      );
    case "symlink":
    case "time":
    case "metadata": {
      const words = { symlink: "target", time: "time", metadata: "header" }[difference.kind];
      const causes = difference.kind === "symlink" ? because(difference.causes, paint) : "";
      return line(
        "~",
        "yellow",
        `${words} ${visible(difference.before)} → ${visible(difference.after)}${causes}`,
      );
    }
    case "compression":
      return line(
        "~",
        "yellow",
        `same contents, compressed otherwise: ${number(difference.before)} → ${count(difference.after, "byte")}`,
      );
    case "contents":
      return [
        ...line("~", "yellow", headline(difference, paint)),
        ...indented(inner(difference, paint, limits)),
      ];
    default:
      return difference satisfies never;
  }
}

function headline({ beforeBytes, afterBytes, firstDifference, causes, elf }: Contents, paint: Paint): string {
  const sizes =
    beforeBytes === afterBytes
      ? count(afterBytes, "byte")
      : `${number(beforeBytes)} → ${count(afterBytes, "byte")}`;
  const first =
    elf === null
      ? `first differs at ${offset(firstDifference)}`
      : `first differs in ${visible(elf.where)} at ${offset(elf.offset)}`;
  return `${sizes}, ${first}${because(causes, paint)}`;
}

function because(causes: readonly DifferenceCauseName[], paint: Paint): string {
  return causes.length === 0 ? "" : `: ${paint("yellow", causes.map((cause) => CAUSES[cause]).join(", "))}`;
}

function inner(contents: Contents, paint: Paint, limits: Limits): string[] {
  const { inside, text, elf, excerpt, firstDifference } = contents;
  if (inside !== null) return members(inside, paint, limits);
  if (text !== null && text.hunks.length > 0) return hunks(text, paint, limits);
  const lines: string[] = [];
  if (elf !== null && elf.changed.length > 0) {
    const shown = elf.changed.slice(0, limits.members * 2);
    const more = elf.changed.length - shown.length;
    lines.push(
      `sections that differ: ${shown.map(visible).join(" ")}${more > 0 ? ` … and ${more} more` : ""}`,
    );
  }
  return [...lines, ...hexRows(excerpt, firstDifference, paint)];
}

function members(
  { format, reordered, differences, unlisted }: ContainerDiffJson,
  paint: Paint,
  limits: Limits,
): string[] {
  const shown = differences.slice(0, limits.members);
  const more = differences.length - shown.length + unlisted;
  return [
    ...(reordered ? [`${format}: the same members come in another order`] : []),
    ...shown.flatMap((difference) =>
      describe(difference, paint, limits).map((line, index) =>
        index === 0 ? line.replace("(the file itself)", `(inside the ${format})`) : line,
      ),
    ),
    ...(more > 0 ? [paint("dim", `… and ${more} more in this ${format}`)] : []),
  ];
}

function hunks({ hunks: all, isWhole }: TextDiffJson, paint: Paint, limits: Limits): string[] {
  const lines = all.flatMap((hunk) => {
    const size = (sign: string): number =>
      hunk.lines.filter((line) => line[0] === " " || line[0] === sign).length;
    const header = `@@ -${hunk.before},${size("-")} +${hunk.after},${size("+")} @@`;
    return [paint("cyan", header), ...hunk.lines.map((line) => paintLine(line, paint))];
  });
  const shown = lines.slice(0, limits.lines);
  if (shown.length < lines.length)
    shown.push(paint("dim", `… ${lines.length - shown.length} more lines (--full)`));
  else if (!isWhole) shown.push(paint("dim", "… more lines differ"));
  return shown;
}

function paintLine(line: string, paint: Paint): string {
  // Tabs are what they are in text; all else that steers a terminal is made visible.
  const safe = line.split("\t").map(visible).join("\t");
  if (line.startsWith("-")) return paint("red", safe);
  if (line.startsWith("+")) return paint("green", safe);
  return line.startsWith("\\") ? paint("dim", safe) : safe;
}

/** A row of either side, from the byte before which all is the same, in line with its multiple of 16. */
function hexRows(excerpt: Contents["excerpt"], firstDifference: number, paint: Paint): string[] {
  const [before, after] = [Buffer.from(excerpt.before, "hex"), Buffer.from(excerpt.after, "hex")];
  const from = Math.max(excerpt.from, firstDifference - (firstDifference % BYTES_A_ROW));
  const row = (sign: string, style: Parameters<Paint>[0], mine: Buffer, other: Buffer): string => {
    const start = from - excerpt.from;
    const bytes = mine.subarray(start, start + BYTES_A_ROW);
    const hex: string[] = [];
    let text = "";
    bytes.forEach((byte, index) => {
      const pair = byte.toString(16).padStart(2, "0");
      hex.push(byte === other[start + index] ? pair : paint(style, pair));
      text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
    });
    const gap = "   ".repeat(BYTES_A_ROW - bytes.length);
    return `${paint(style, sign)} ${offset(from)}  ${hex.join(" ")}${gap}  ${bytes.length === 0 ? "(ends before)" : text}`;
  };
  return [row("-", "red", before, after), row("+", "green", after, before)];
}

const offset = (at: number): string => `0x${at.toString(16)}`;
const number = (value: number): string => value.toLocaleString("en");
const count = (value: number, unit: string): string => `${number(value)} ${unit}${value === 1 ? "" : "s"}`;
const indented = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`);
