import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TextDiffJson } from "../http/diff-schema.ts";
import { diffText, reverseText, textOf } from "./text-diff.ts";

const NO_NEWLINE = "\\ No newline at end of file";
const unbounded = { maxLines: Infinity, maxLineLength: Infinity };

/** What hunks make of a text; throws when they are not about it. */
function applied(before: string, { hunks }: TextDiffJson): string {
  const old = before.split(/(?<=\n)/);
  const young: string[] = [];
  let position = 0;
  for (const hunk of hunks) {
    const isEmpty = hunk.lines.every((line) => /^[+\\]/.test(line));
    const start = hunk.before - (isEmpty ? 0 : 1);
    while (position < start) young.push(old[position++]!);
    hunk.lines.forEach((line, index) => {
      if (line === NO_NEWLINE) return;
      const text = line.slice(1) + (hunk.lines[index + 1] === NO_NEWLINE ? "" : "\n");
      if (!line.startsWith("+")) expect(old[position++]).toBe(text);
      if (!line.startsWith("-")) young.push(text);
    });
  }
  young.push(...old.slice(position));
  return young.join("");
}

/** The text of a unified diff. */
function unified({ hunks }: TextDiffJson): string {
  const body = hunks.map(({ before, after, lines }) => {
    const count = (sign: string) => lines.filter((line) => line[0] === " " || line[0] === sign).length;
    return `@@ -${before},${count("-")} +${after},${count("+")} @@\n${lines.join("\n")}\n`;
  });
  return `--- a\n+++ b\n${body.join("")}`;
}

const text = fc
  .array(fc.constantFrom("a", "b", "c", "", "d e"), { maxLength: 30 })
  .chain((lines) => fc.constantFrom(lines.join("\n"), lines.map((line) => `${line}\n`).join("")));

describe("diffText", () => {
  test("is what people expect", () => {
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
    const changed = lines.with(2, "third").toSpliced(20, 1);
    expect(diffText(`${lines.join("\n")}\n`, changed.join("\n"))).toEqual({
      hunks: [
        {
          before: 1,
          after: 1,
          lines: [" line 1", " line 2", "-line 3", "+third", " line 4", " line 5", " line 6"],
        },
        {
          before: 18,
          after: 18,
          lines: [" line 18", " line 19", " line 20", "-line 21", " line 22", " line 23", " line 24"],
        },
        {
          before: 27,
          after: 26,
          lines: [" line 27", " line 28", " line 29", "-line 30", "+line 30", NO_NEWLINE],
        },
      ],
      isWhole: true,
    });
    expect(diffText("", "a\n").hunks).toEqual([{ before: 0, after: 1, lines: ["+a"] }]);
    expect(diffText("a\n", "").hunks).toEqual([{ before: 1, after: 0, lines: ["-a"] }]);
  });

  test("makes one text of the other, and back", () => {
    fc.assert(
      fc.property(text, text, fc.constantFrom(0, 1, 3, 500), (a, b, maxDistance) => {
        const diff = diffText(a, b, { ...unbounded, maxDistance });
        expect(diff.isWhole).toBe(true);
        expect(diff.hunks.length === 0).toBe(a === b);
        expect(applied(a, diff)).toBe(b);
        expect(applied(b, reverseText(diff))).toBe(a);
        expect(reverseText(reverseText(diff))).toEqual(diff);
      }),
      { numRuns: 2000 },
    );
  });

  test("is a patch for patch(1)", () => {
    const directory = mkdtempSync(join(tmpdir(), "trustix-patch-"));
    const file = join(directory, "file");
    try {
      for (const [a, b] of fc.sample(fc.tuple(text, text), { numRuns: 30, seed: 7 })) {
        if (a === b || a === "" || b === "") continue;
        writeFileSync(file, a);
        execFileSync("patch", ["-s", "--fuzz=0", file], { input: unified(diffText(a, b, unbounded)) });
        expect(readFileSync(file, "utf8")).toBe(b);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("finds the shortest way", () => {
    const shortest = (a: readonly string[], b: readonly string[]): number => {
      let row = Array.from({ length: b.length + 1 }, (_, j) => j);
      a.forEach((line, i) => {
        const next = [i + 1];
        b.forEach((other, j) => {
          next.push(line === other ? row[j]! : 1 + Math.min(row[j + 1]!, next[j]!));
        });
        row = next;
      });
      return row.at(-1)!;
    };
    const lines = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 15 });
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const join = (all: readonly string[]) => all.map((line) => `${line}\n`).join("");
        const { hunks } = diffText(join(a), join(b), unbounded);
        const edits = hunks.flatMap((hunk) => hunk.lines).filter((line) => line[0] !== " ").length;
        expect(edits).toBe(shortest(a, b));
      }),
      { numRuns: 1000 },
    );
  });

  test("keeps to its bounds, and says so", () => {
    const many = (sign: string) => Array.from({ length: 1000 }, (_, index) => `${sign}${index}\n`).join("");
    const cut = diffText(many("a"), many("b"));
    expect([cut.isWhole, cut.hunks.flatMap(({ lines }) => lines).length]).toEqual([false, 200]);
    const long = diffText("x".repeat(1000), "y");
    expect([long.isWhole, long.hunks[0]?.lines[0]?.length]).toEqual([false, 401]);
    // Half of a character beyond the first plane is no text.
    expect(diffText("", `${"x".repeat(399)}😀`).hunks[0]?.lines[0]?.isWellFormed()).toBe(true);
    // A hundred thousand lines in the order that costs most.
    const shuffled = (step: number) =>
      Array.from({ length: 100_000 }, (_, index) => `${(index * step) % 100_003}\n`).join("");
    expect(diffText(shuffled(7), shuffled(11)).isWhole).toBe(false);
  });
});

test("textOf takes UTF-8 without control characters", () => {
  const encode = (value: string) => new TextEncoder().encode(value);
  for (const value of ["", "a\tb\r\nc", "\u001b[1mbold", "é😀", "\uFEFFbom"])
    expect(textOf(encode(value))).toBe(value);
  for (const bytes of [encode("a\0b"), encode("\x7f"), Uint8Array.of(0xff), Uint8Array.of(0xc3)]) {
    expect(textOf(bytes)).toBeUndefined();
  }
});
