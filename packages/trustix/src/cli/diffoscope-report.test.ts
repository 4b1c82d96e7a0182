import { expect, test } from "vitest";
import { renderReport } from "./diffoscope-report.ts";

const paint = (style: unknown, text: string): string => `<${style}>${text}</>`;
const plain = (_: unknown, text: string): string => text;

const REPORT = [
  "--- before",
  "+++ after",
  "├── bin/hello",
  "│ @@ -1,2 +1,2 @@",
  "│  same\tline",
  "│ -old",
  "│ +new",
  "│ ├── .text",
  "│ │ +deep",
  "",
].join("\n");

test("changes have colours, and without colours the report is as it was", () => {
  expect(renderReport(REPORT, plain)).toBe(REPORT.trimEnd());
  expect(renderReport(REPORT, paint).split("\n")).toEqual([
    "<red>--- before</>",
    "<green>+++ after</>",
    "├── bin/hello",
    "│ <cyan>@@ -1,2 +1,2 @@</>",
    "│  same\tline",
    "│ <red>-old</>",
    "│ <green>+new</>",
    "│ ├── .text",
    "│ │ <green>+deep</>",
  ]);
});

test.each([
  ["conceals itself", "│ +\x1b[8mevil\x1b[0m", "│ +\\u{1b}[8mevil\\u{1b}[0m"],
  ["names the terminal", "\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"],
  ["goes back", "│ +a\rb\x08", "│ +a\\u{d}b\\u{8}"],
  ["steers with one character", "\x9b8m", "\\u{9b}8m"],
  ["turns around", "│ +\u202eevil", "│ +\\u{202e}evil"],
])("what a builder wrote is seen when it %s", (_, line, shown) => {
  expect(renderReport(line, plain)).toBe(shown);
});

test("nothing said is no difference", () => {
  expect(renderReport(" \n", plain)).toBe("sees no difference");
});
