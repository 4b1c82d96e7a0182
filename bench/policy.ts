// How many decisions a second a policy takes, with rules only and with a script in its sandbox.
//
//     node --conditions=@trustix/source bench/policy.ts [--rounds 200000] [--json FILE]
//
// The baseline is the least that any policy has to do: count in a map how many of the votes make each statement, and compare
// with a number. The script's baseline is the same script called in this process, without a sandbox.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { PolicySettings } from "trustix/src/config/policy.ts";
import { createPolicy, type Policy } from "trustix/src/policy/policy.ts";
import { openSandbox } from "trustix/src/policy/sandbox.ts";
import { type PolicyScript, parseScriptAnswer } from "trustix/src/policy/script.ts";
import type { Vote } from "trustix/src/votes/vote.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "200000" }, json: { type: "string" } },
});
const rounds = Number(values.rounds);

const OPERATORS = ["alice", "bob", "chuck", "dan"];
const HASH_PART = "0".repeat(32);
const SOURCE = `({ votes, quorum }) => quorum.accepted && votes.some((vote) => vote.logged)
  ? { accept: quorum.statement, because: quorum.explanation }
  : { refuse: "nobody logged it" }`;

function vote(operator: string, index: number): Vote {
  const content = index === 2 ? "x" : "a";
  const statement = `1;/nix/store/${HASH_PART}-hello-2.12;sha256:0${content.repeat(51)};226560;/nix/store/1${HASH_PART.slice(1)}-glibc-2.40-66`;
  const evidence = { kind: "logged", index, seenAtMs: 0 } as const;
  return {
    operator,
    kind: "statement",
    statement,
    claims: [{ statement, evidence, subscription: operator }],
  };
}
const votes = OPERATORS.map(vote);

function settings(rules: number): PolicySettings {
  return {
    mode: "enforce",
    threshold: 3,
    onConflict: "outvote",
    group: [],
    rule: Array.from({ length: rules }, (_, index) => ({
      name: `rule-${index}`,
      match: [`package-${index}-*`, `*-module-${index}`],
      threshold: "majority",
    })),
  };
}

function countOnly(): boolean {
  const counts = new Map<string, number>();
  for (const each of votes) {
    if (each.kind === "statement") counts.set(each.statement, (counts.get(each.statement) ?? 0) + 1);
  }
  return Math.max(...counts.values()) >= 3;
}

function deciding(policy: Policy): () => boolean {
  return () => policy.decide({ hashPart: HASH_PART }, votes).accepted;
}

/** Calls a second: the median of five runs, after one that does not count. */
function rate(run: () => boolean, calls: number): number {
  const rates: number[] = [];
  for (let round = 0; round < 6; round++) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) if (!run()) throw new Error("the decision is wrong");
    if (round > 0) rates.push(calls / ((performance.now() - start) / 1000));
  }
  return rates.sort((a, b) => a - b)[2] as number;
}

const sandbox = await openSandbox({ source: `export default ${SOURCE}`, fileName: "policy.js" });
const direct = new Function(`return ${SOURCE}`)() as (input: unknown) => unknown;
const unboxed: PolicyScript = {
  decide: (input) => parseScriptAnswer(JSON.stringify(direct(JSON.parse(JSON.stringify(input))))),
};

const baseline = rate(countOnly, rounds);
const results = {
  "counting votes only": baseline,
  "3 of 4": rate(deciding(createPolicy(settings(0), OPERATORS)), rounds),
  "3 of 4, none of 100 rules matches": rate(deciding(createPolicy(settings(100), OPERATORS)), rounds / 10),
  "3 of 4 and a script, no sandbox": rate(
    deciding(createPolicy(settings(0), OPERATORS, unboxed)),
    rounds / 4,
  ),
  "3 of 4 and a script, sandboxed": rate(
    deciding(createPolicy(settings(0), OPERATORS, sandbox)),
    rounds / 10,
  ),
};
for (const [name, perSecond] of Object.entries(results)) {
  console.log(
    `${name.padEnd(36)} ${Math.round(perSecond).toLocaleString("en").padStart(12)} /s  ${(perSecond / baseline).toFixed(4)}`,
  );
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
