import { expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { createLogger, type LoggerOptions } from "./logger.ts";

function lines(format: LoggerOptions["format"]): string[] {
  const written: string[] = [];
  const logger = createLogger({ level: "info", format, colour: false, write: (line) => written.push(line) });
  logger.debug({}, "not shown");
  logger.info({ log: "nix", size: 3 }, "log is open");
  const cause = Object.assign(new Error("disk"), { code: "EIO" });
  logger.error(
    { err: new TrustixError("STORAGE_FAILED", "no write", { hint: "look", cause }), target: "a b" },
    "failed",
  );
  return written;
}

test("machines get one JSON object a line, with errors taken apart", () => {
  const [first, second] = lines("json").map((line) => JSON.parse(line));
  expect(first).toEqual({
    level: "info",
    time: expect.any(String),
    log: "nix",
    size: 3,
    message: "log is open",
  });
  expect(second).toMatchObject({
    level: "error",
    err: {
      code: "STORAGE_FAILED",
      message: "no write",
      hint: "look",
      cause: { code: "EIO", message: "disk" },
    },
  });
  expect(second.err.stack).toBeUndefined();
});

test("people get one line", () => {
  expect(lines("text").map((line) => line.replace(/^[\d:.]+/, "TIME"))).toEqual([
    "TIME info  log is open log=nix size=3\n",
    'TIME error failed err="STORAGE_FAILED: no write" target="a b"\n',
  ]);
});
