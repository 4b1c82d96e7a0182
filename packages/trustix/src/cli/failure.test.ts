import { expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { visible } from "../terminal.ts";
import { printFailure } from "./failure.ts";
import type { Io } from "./io.ts";

test("text from outside cannot steer the terminal", () => {
  expect(visible("a\x1b[2K\u009b2K\u202ekeyv\u2028é+")).toBe("a\\u{1b}[2K\\u{9b}2K\\u{202e}keyv\\u{2028}é+");
});

test("a failure that quotes a peer is printed line by line, without its escapes", () => {
  const lines: string[] = [];
  const cause = new Error("\x1b]0;x\x07");
  const error = new TrustixError("PEER_MISBEHAVED", "one\x1b[2K\n\ttwo", { hint: "ask\r", cause });
  printFailure({ err: (line: string) => lines.push(line) } as unknown as Io, error, false);
  expect(lines).toEqual([
    "trustix: one\\u{1b}[2K",
    "           two",
    "  why:   \\u{1b}]0;x\\u{7}",
    "  next:  ask\\u{d}",
  ]);
});
