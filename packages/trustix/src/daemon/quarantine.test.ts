import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseConfig } from "../config/load.ts";
import { createPolicy } from "../policy/policy.ts";
import type { Suspect } from "../policy/suspects.ts";
import type { Fields, Logger } from "./logger.ts";
import { temporary } from "./nodes.test.util.ts";
import { Quarantine } from "./quarantine.ts";

const names = ["alice", "bob", "chuck", "dan"];
const chuck: Suspect = { operator: "chuck", suspicion: 0.999, paths: 40 };
const HOUR = 3_600_000;

/** A state directory whose quarantine is opened, and opened again, under a clock that the test moves. */
class Stage {
  readonly lines: string[] = [];
  atMs = Date.UTC(2026, 10, 22);
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  get file(): string {
    return join(this.directory, "state", "quarantine.json");
  }

  async open(section = "enabled = true", operators = names): Promise<Quarantine> {
    await mkdir(join(this.directory, "state"), { recursive: true });
    const text = `[node]
state-dir = "state"
[policy]
threshold = 3
[policy.quarantine]
${section}
${operators.map((name) => `[[operator]]\nname = "${name}"\n`).join("")}`;
    const config = parseConfig(text, join(this.directory, "trustix.toml"));
    const log =
      (level: string) =>
      ({ operator, rules }: Fields, message: string): void =>
        void this.lines.push(`${level}: ${[operator, rules, message].filter(Boolean).join(" ")}`);
    const logger: Logger = {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
    };
    const policy = createPolicy(config.policy, operators);
    return Quarantine.open({ config, policy, logger, now: () => this.atMs });
  }

  /** What was logged since the last call. */
  said(): string[] {
    return this.lines.splice(0);
  }
}

const inForce = (quarantine: Quarantine): string[] => quarantine.list().map(({ operator }) => operator);

test("a suspect stops counting when it was one for long enough, aloud, and across restarts", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const quarantine = await stage.open();
  const seen: string[][] = [];
  quarantine.onChange((list) => void seen.push(list.map(({ operator }) => operator)));
  await quarantine.assess([chuck]);
  expect(inForce(quarantine)).toEqual([]);
  stage.atMs += HOUR / 2;
  await quarantine.assess([{ ...chuck, suspicion: 0.5 }]);
  stage.atMs += HOUR / 2;
  await quarantine.assess([chuck]);
  expect(inForce(quarantine), "it has not been suspect for an hour without a break").toEqual([]);
  stage.atMs += HOUR;
  await quarantine.assess([chuck]);
  expect(inForce(quarantine)).toEqual(["chuck"]);
  expect(seen).toEqual([["chuck"]]);
  expect(stage.said()).toEqual(["warn: chuck operator is in quarantine and does not count"]);
  expect(quarantine.find("chuck")).toMatchObject({
    by: "estimate",
    reason: "deviates with a probability of 99.9 %, on about 40 paths that are reproducible elsewhere",
    sinceMs: stage.atMs,
  });

  const again = await stage.open();
  expect(again.list()).toEqual(quarantine.list());
  expect(stage.said()).toEqual(["warn: chuck operator is in quarantine and does not count"]);
  // It stays, whatever the estimate says now: only a person lets it out.
  await again.assess([]);
  expect(inForce(again)).toEqual(["chuck"]);
});

test("one that was released stays so, until more is known or somebody adds it", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const section = 'enabled = true\nafter = "0s"';
  const quarantine = await stage.open(section);
  await quarantine.assess([chuck]);
  await quarantine.release("chuck", "its machine was repaired");
  expect(inForce(quarantine)).toEqual([]);
  expect(stage.said().at(-1)).toBe("warn: chuck operator counts again: its quarantine has ended");
  await quarantine.assess([{ ...chuck, paths: 49 }]);
  expect(inForce(quarantine)).toEqual([]);

  const again = await stage.open(section);
  expect(again.describe().operators).toMatchObject([
    { operator: "chuck", state: "released", reason: "its machine was repaired", counts: true },
  ]);
  await again.assess([{ ...chuck, paths: 49 }]);
  expect(inForce(again)).toEqual([]);
  await again.assess([{ ...chuck, paths: 50 }]);
  expect(inForce(again)).toEqual(["chuck"]);
  await again.release("chuck", "once more");
  await again.add("chuck", "it lies");
  expect(again.find("chuck")).toMatchObject({ by: "hand", reason: "it lies" });
});

test("by hand it works whether it is enabled or not; what the estimate did holds only while it is", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const enabled = await stage.open('enabled = true\nafter = "0s"');
  await enabled.assess([chuck]);
  expect(inForce(enabled)).toEqual(["chuck"]);
  stage.said();

  const off = await stage.open("");
  expect(inForce(off)).toEqual([]);
  expect(stage.said()).toEqual(["warn: chuck operator counts though suspect: quarantine is not enabled"]);
  await off.assess([chuck, { ...chuck, operator: "dan" }]);
  expect(inForce(off)).toEqual([]);
  await off.add("alice", "her key was stolen");
  await off.add("bob", "and his");
  expect(stage.said()).toEqual([
    "warn: alice operator is in quarantine and does not count",
    "warn: bob operator is in quarantine and does not count",
    "warn: default rules cannot be met while these operators do not count",
  ]);
  expect(inForce(off)).toEqual(["alice", "bob"]);
  const fewer = await stage.open("", ["alice", "dan", "eve"]);
  expect(inForce(fewer)).toEqual(["alice"]);
});

test("those who smear others cannot silence more than a share", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const quarantine = await stage.open('enabled = true\nafter = "0s"');
  const all = names.map((operator, index) => ({ operator, suspicion: 1, paths: 100 + index }));
  await quarantine.assess(all);
  await quarantine.assess(all);
  expect(inForce(quarantine)).toEqual(["dan"]);
  expect(stage.said().filter((line) => line.includes("at-most"))).toHaveLength(3);
});

test("waits for the hour without a new estimate", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const quarantine = await stage.open();
  await quarantine.assess([chuck]);
  const stop = new AbortController();
  let looks = 0;
  await quarantine.watch(async () => {
    stage.atMs += HOUR / 2;
    if (++looks === 4) stop.abort();
  }, stop.signal);
  expect(inForce(quarantine)).toEqual(["chuck"]);
});

test("unknown operators, and what is not in quarantine", async () => {
  await using root = await temporary();
  const quarantine = await new Stage(root.path).open();
  await expect(quarantine.add("eve", "?")).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(quarantine.release("alice", "?")).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("a file that it did not write keeps the daemon from starting: nobody counts again unseen", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const quarantine = await stage.open();
  await quarantine.add("alice", "test");
  const good = await readFile(stage.file, "utf8");
  for (const bad of [
    "",
    "{}",
    good.slice(0, -5),
    good.replace('"version": 1', '"version": 2'),
    good.replace('"hand"', '"nobody"'),
    good.replace('"reason"', '"why"'),
    JSON.stringify({
      version: 1,
      operators: [1, 2].flatMap(() => (JSON.parse(good) as { operators: unknown[] }).operators),
    }),
  ]) {
    await writeFile(stage.file, bad);
    await expect(stage.open(), bad).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  }
  await writeFile(stage.file, "x".repeat(3 << 20));
  await expect(stage.open()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  await writeFile(stage.file, good);
  expect(inForce(await stage.open())).toEqual(["alice"]);
});

test("when it cannot be stored it holds all the same, and a release does not", async () => {
  await using root = await temporary();
  const stage = new Stage(root.path);
  const quarantine = await stage.open('enabled = true\nafter = "0s"');
  await quarantine.add("alice", "test");
  // A directory in the way of the temporary file.
  await mkdir(`${stage.file}.tmp`);
  await expect(quarantine.release("alice", "test")).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  await expect(quarantine.add("bob", "test")).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  expect(inForce(quarantine)).toEqual(["alice", "bob"]);
});
