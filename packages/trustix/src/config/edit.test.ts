import * as fc from "fast-check";
import { parse } from "smol-toml";
import { expect, test } from "vitest";
import { addSections, type NewSection, removeSection } from "./edit.ts";

const FILE = `# mine
[node] # where
state-dir = "s"

# Alice, met at the conference
[[operator]]
name = "alice" # the one
# end of alice

[[operator]]
name = """
bob"""
list = [
  "[[operator]]", # no heading
]

# the end`;

test("a section is added at the end, and what was there stays", () => {
  const options = { name: "carol", keys: ["a", "b"], absent: undefined };
  expect(addSections(FILE, [{ name: "operator", options }])).toBe(
    `${FILE}\n\n[[operator]]\nname = "carol"\nkeys = ["a", "b"]\n`,
  );
});

test("a section is taken out with its options, and comments around it stay", () => {
  expect(removeSection(FILE, "operator", 0)).toBe(`# mine
[node] # where
state-dir = "s"

# Alice, met at the conference
# end of alice

[[operator]]
name = """
bob"""
list = [
  "[[operator]]", # no heading
]

# the end`);
  expect(removeSection(FILE, "operator", 1)).toBe(
    `${FILE.slice(0, FILE.indexOf('\n[[operator]]\nname = """'))}\n# the end`,
  );
});

test("what has no heading of its own is left alone", () => {
  expect(removeSection(FILE, "operator", 2)).toBeUndefined();
  expect(removeSection('operator = [{ name = "alice" }]\n', "operator", 0)).toBeUndefined();
});

test("whatever is added is read back as it was, and taken out without a trace", async () => {
  const string = fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed());
  const options = fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,8}$/), fc.oneof(string, fc.array(string)), {
    noNullPrototype: true,
  });
  await fc.assert(
    fc.property(fc.array(options, { minLength: 1, maxLength: 4 }), fc.nat(3), (all, chosen) => {
      const sections = all.map((each): NewSection => ({ name: "thing", options: each }));
      const text = addSections(FILE, sections);
      expect((parse(text) as { thing: unknown }).thing).toEqual(all);
      const index = chosen % all.length;
      const left = removeSection(text, "thing", index);
      expect((parse(left ?? "") as { thing?: unknown }).thing ?? []).toEqual(all.toSpliced(index, 1));
    }),
  );
});
