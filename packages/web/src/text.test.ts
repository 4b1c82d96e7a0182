import { expect, test } from "vitest";
import { formatAgo, formatBytes, formatProbability, formatShare, formatTenths, visible } from "./text.ts";

test("text of strangers cannot hide, reverse or steer anything, and is cut", () => {
  expect(visible("a\u202eb\u0000c\u001b[31m\u200bd")).toBe("a\\u{202e}b\\u{0}c\\u{1b}[31m\\u{200b}d");
  expect(visible("<b>é 漢 😀</b>")).toBe("<b>é 漢 😀</b>");
  expect(visible("x".repeat(600), 10)).toBe("xxxxxxxxxx…");
});

test.each([
  [0, "0 %"],
  [1, "100 %"],
  [0.5, "50 %"],
  [0.0123, "1.2 %"],
  [0.9877, "98.8 %"],
  [0.0011, "0.11 %"],
  [0.00094, "0.09 %"],
  [0.00001, "< 0.01 %"],
  [0.99999, "> 99.99 %"],
])("a share of %d reads %s: neither all nor nothing unless it is", (share, text) => {
  expect(formatShare(share)).toBe(text);
});

test.each([
  [1, "100 %"],
  [0, "0 %"],
  [2 / 3, "66.7 %"],
  [0.25, "25.0 %"],
  [0.9999, "99.9 %"],
  [0.0001, "0.1 %"],
])("in a column, a share of %d reads %s", (share, text) => {
  expect(formatTenths(share)).toBe(text);
});

test.each([
  [12, "12 bytes"],
  [1536, "1.5 KiB"],
  [5 * 1024 ** 3, "5.0 GiB"],
])("%d bytes read %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("times are told from now, whichever clock is ahead", () => {
  expect(formatAgo(0, 30_000)).toBe("just now");
  expect(formatAgo(30_000, 0)).toBe("just now");
  expect(formatAgo(0, 180_000)).toBe("3 min. ago");
  expect(formatAgo(0, 86_400_000 * 3)).toBe("3 days ago");
});

test.each([
  [1, "> 99.99 %"],
  [0.973, "97.3 %"],
  [0, "< 0.01 %"],
])("a probability of %d is never certain", (probability, text) => {
  expect(formatProbability(probability)).toBe(text);
});
