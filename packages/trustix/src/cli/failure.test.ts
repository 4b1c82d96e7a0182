import { expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { printFailure } from "./failure.ts";
import { type Io, printable } from "./io.ts";

test("text from outside cannot steer the terminal", () => {
  expect(printable("a\x1b[2K\u009b2K\u202ekeyv\u2028é+")).toBe("a\\x1b[2K\\x9b2K\\u{202e}keyv\\u{2028}é+");
});

test("a failure that quotes a peer is printed line by line, without its escapes", () => {
  const lines: string[] = [];
  const cause = new Error("\x1b]0;x\x07");
  const error = new TrustixError("PEER_MISBEHAVED", "one\x1b[2K\n\ttwo", { hint: "ask\r", cause });
  printFailure({ err: (line: string) => lines.push(line) } as unknown as Io, error, false);
  expect(lines).toEqual([
    "trustix: one\\x1b[2K",
    "           two",
    "  why:   \\x1b]0;x\\x07",
    "  next:  ask\\x0d",
  ]);
});
