import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseConfig } from "../config/load.ts";
import { markQuarantined, quarantineOf } from "../votes/quarantine.ts";
import type { Vote } from "../votes/vote.ts";
import { openPolicy } from "./open-policy.ts";

const guide = await readFile(join(import.meta.dirname, "../../../../docs/guides/policies.md"), "utf8");
const blocks = (language: string) =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, text = ""]) => text);
const tomls = blocks("toml");
const scripts = blocks("js");

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "trustix-policies-"));
  await writeFile(join(directory, "policy.js"), scripts.join("\n"));
});
afterAll(() => rm(directory, { recursive: true }));

function open(toml: string) {
  return openPolicy(parseConfig(`${toml}\n[node]\nstate-dir = "state"\n`, join(directory, "trustix.toml")));
}

const hashPart = "0".repeat(32);
function votes(name: string, operators: readonly string[], logged = true): Vote[] {
  const statement = `1;/nix/store/${hashPart}-${name};sha256:${"0".repeat(52)};1024;`;
  const evidence = logged
    ? ({ kind: "logged", index: 0, seenAtMs: 0 } as const)
    : ({ kind: "signed", keyName: "key" } as const);
  return operators.map((operator) => ({
    operator,
    kind: "statement",
    statement,
    claims: [{ statement, evidence, subscription: operator }],
  }));
}

test("the guide has the examples that are tested here", () => {
  expect(tomls.length).toBe(7);
  expect(scripts.length).toBe(1);
});

test.each(tomls.map((toml, index) => [index, toml] as const))(
  "example %d loads and decides",
  async (_, toml) => {
    const policy = await open(toml);
    const all = votes("hello-2.12", policy.operators);
    expect(policy.decide({ hashPart }, all).accepted).toBe(true);
    expect(policy.decide({ hashPart }, []).accepted).toBe(false);
  },
);

test.each([
  [0, "hello", ["alice", "bob", "dan"], true],
  [0, "hello", ["alice", "bob"], false],
  [2, "hello", ["alice", "bob", "chuck"], true],
  [2, "hello", ["bob", "chuck", "dan"], false],
  [2, "hello", ["alice", "bob"], false],
  [3, "firefox-140.0", ["alice", "bob"], false],
  [3, "firefox-140.0", ["alice", "bob", "chuck"], true],
  [3, "acme-tool", ["alice"], true],
  [3, "acme-tool", ["bob", "chuck"], false],
  [4, "hello", ["bob"], true],
])("example %d does what its text says: %s by %j", async (index, name, operators, accepted) => {
  const policy = await open(tomls[index] as string);
  expect(policy.decide({ hashPart }, votes(name, operators)).accepted).toBe(accepted);
});

test.each([
  [["alice", "bob"], true],
  [["alice", "chuck"], false],
])("without chuck, who is in quarantine, %j: accepted %s", async (operators, accepted) => {
  const policy = await open(tomls[6] as string);
  const entry = { operator: "chuck", by: "hand" as const, reason: "key stolen", sinceMs: 0 };
  const marked = markQuarantined(votes("hello", operators), quarantineOf([entry]));
  expect(policy.decide({ hashPart }, marked).accepted).toBe(accepted);
});

test("the script does what its comment says", async () => {
  const policy = await open(tomls[5] as string);
  const reason = (name: string, logged: boolean) => {
    const decision = policy.decide({ hashPart }, votes(name, policy.operators, logged));
    return decision.accepted ? decision.basis : decision.reason;
  };
  expect(reason("sudo-1.9", true)).toBe("script");
  expect(reason("sudo-1.9", false)).toBe("script-refused");
  expect(reason("hello-2.12", false)).toBe("script");
});

test("a script that is not there is an error of its own", async () => {
  const toml = (tomls[5] as string).replace("policy.js", "absent.js");
  await expect(open(toml)).rejects.toMatchObject({ code: "POLICY_SCRIPT_INVALID" });
});

test("every reason for a refusal is explained", () => {
  const table = guide.slice(guide.indexOf("## Reasons"));
  const reasons = ["no-votes", "no-quorum", "tie", "dissent", "quarantine", "script-refused", "policy-error"];
  for (const reason of reasons) {
    expect(table).toContain(`| \`${reason}\` |`);
  }
});
