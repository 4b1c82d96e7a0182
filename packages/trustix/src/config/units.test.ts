import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatAddress,
  formatDuration,
  formatSize,
  parseAddress,
  parseDuration,
  parseSize,
} from "./units.ts";

test.each([
  ["0ms", 0],
  ["250ms", 250],
  ["1.5s", 1500],
  ["10m", 600_000],
  ["2h", 7_200_000],
  ["7d", 604_800_000],
])("the duration %s has %d milliseconds", (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test.each([
  "",
  "5",
  "ms",
  "-1s",
  "+1s",
  "01s",
  "1 s",
  "1e3s",
  "1sec",
  "1S",
  "NaNs",
  "9999999999999999d",
  "1.2345s",
])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  ["0B", 0],
  ["64KiB", 65_536],
  ["1.5MiB", 1_572_864],
  ["2GiB", 2 ** 31],
])("the size %s has %d bytes", (text, expected) => {
  expect(parseSize(text)).toBe(expected);
});

test.each(["64", "64kb", "64KB", "1 MiB", "-1B", "99999999999TiB"])("%j is no size", (text) => {
  expect(parseSize(text)).toBeUndefined();
});

test("formatted durations and sizes parse to the same value", async () => {
  await fc.assert(
    fc.property(fc.nat(2 ** 40), (value) => {
      expect(parseDuration(formatDuration(value))).toBe(value);
      expect(parseSize(formatSize(value))).toBe(value);
    }),
  );
});

test.each(["127.0.0.1:8484", "[::1]:80", "cache.example.org:0", "unix:/run/trustix.sock", "systemd:public"])(
  "%s is an address and formats to itself",
  (text) => {
    const address = parseAddress(text);
    expect(address).toBeDefined();
    expect(address && formatAddress(address)).toBe(text);
  },
);

test.each([
  "",
  "8484",
  ":8484",
  "a:b",
  "::1:80",
  "host:65536",
  "host:080",
  "unix:relative",
  "systemd:",
  "http://a:1",
  `unix:/${"x".repeat(107)}`,
])("%j is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});
