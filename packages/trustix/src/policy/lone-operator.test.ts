import { expect, test } from "vitest";
import { parseConfig } from "../config/load.ts";
import { loneOperatorWarning } from "./lone-operator.ts";
import { createPolicy } from "./policy.ts";

function configOf(operators: readonly string[], policy = "") {
  const sections = operators.map((name) => `[[operator]]\nname = "${name}"\n`).join("");
  return parseConfig(`[node]\nstate-dir = "state"\n[policy]\n${policy}\n${sections}`, "/etc/trustix.toml");
}

test.each([
  ["", undefined],
  ["alice", "alice decides alone: the policy needs 1 of 1 to agree; subscribe to further operators"],
  ["alice bob", undefined],
  ["alice bob carol", undefined],
])("a majority of %j", (names, warning) => {
  expect(loneOperatorWarning(configOf(names.split(" ").filter(Boolean)))).toBe(warning);
});

test("a threshold of one is said plainly, unless nothing is refused or a script decides", () => {
  const operators = ["alice", "bob"];
  expect(loneOperatorWarning(configOf(operators, "threshold = 1"))).toBe(
    "any one of alice, bob decides alone: the policy needs 1 of 2 to agree; raise `threshold` in [policy]",
  );
  expect(loneOperatorWarning(configOf(operators, 'threshold = 1\nmode = "report"'))).toBeUndefined();
  const script = 'threshold = 1\n[policy.script]\nfile = "policy.js"';
  expect(loneOperatorWarning(configOf(operators, script))).toBeUndefined();
});

test("groups count as members, and one operator may be met by a group of its own", () => {
  const policy = `
threshold = 1
members = ["alice", "others"]
[[policy.group]]
name = "others"
threshold = 2
members = ["bob", "carol"]`;
  const config = configOf(["alice", "bob", "carol"], policy);
  const operators = config.operator.map(({ name }) => name);
  expect(createPolicy(config.policy, operators).defaultQuorum).toEqual({
    needed: 1,
    members: ["alice", "others"],
    alone: ["alice"],
  });
  expect(loneOperatorWarning(config)).toContain("alice decides alone");
});
