import { expect, test } from "vitest";
import type { ListenedStatus } from "./decisions.ts";
import type { Fields, Logger } from "./logger.ts";
import { watchHealth } from "./watch-health.ts";

/** What is logged while a subscription goes through some states. */
async function logged(...states: readonly Partial<ListenedStatus>[]): Promise<string[]> {
  const lines: string[] = [];
  const log = (level: string) => (fields: Fields, message: string) => {
    const { reason } = fields;
    lines.push(`${level}: ${message}${reason === undefined ? "" : ` (${reason})`}`);
  };
  const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
  const stop = new AbortController();
  let at = 0;
  const status = () => [
    { kind: "log", subscription: "eve", operator: "eve", size: 1, ...states[at] } as ListenedStatus,
  ];
  const sleep = async () => {
    if (++at === states.length) stop.abort();
  };
  await watchHealth(status, logger, sleep, stop.signal);
  return lines;
}

test("changes are said once", async () => {
  const lastError = { atMs: 0, code: "PEER_UNREACHABLE", message: "refused" };
  expect(
    await logged(
      { health: "starting" },
      { health: "reading" },
      { health: "ok" },
      { health: "ok" },
      { health: "failing", lastError },
      { health: "failing", lastError },
      { health: "ok" },
      { health: "stale" },
      { health: "full" },
    ),
  ).toEqual([
    "info: subscription is well",
    "warn: subscription fails (refused)",
    "info: subscription is well",
    "info: log has had nothing new for long",
    "warn: log has brought as much as it may: `[subscribe] max-log-size`",
  ]);
});

test("a cache that rests was failing already", async () => {
  const lastError = { atMs: 0, code: "PEER_UNREACHABLE", message: "refused" };
  const kind = "cache" as const;
  expect(
    await logged(
      { kind, health: "failing", lastError },
      { kind, health: "resting" },
      { kind, health: "failing" },
    ),
  ).toEqual(["warn: subscription fails (refused)"]);
});

test("misbehaviour is an error, with its reason", async () => {
  const fault = { kind: "forked", reason: "signed two trees", evidence: "/f.json", atMs: 0 } as const;
  expect(await logged({ health: "quarantined", fault })).toEqual([
    "error: log misbehaved and does not count any more (signed two trees)",
  ]);
});
