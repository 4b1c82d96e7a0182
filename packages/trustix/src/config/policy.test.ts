import { describe, expect, it } from "vitest";
import { ConfigError, parseConfig } from "./load.ts";
import { type PolicySettings, policyProblems } from "./policy.ts";

const OPERATORS = `[[operator]]
name = "alice"
[[operator]]
name = "bob"
[[operator]]
name = "chuck"
`;

function load(policy: string) {
  return parseConfig(`[node]\nstate-dir = "s"\n${OPERATORS}${policy}`, "/etc/trustix/trustix.toml");
}

function problemsOf(policy: string): readonly string[] {
  try {
    load(policy);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Lines are counted from the policy.
    return error.problems.map(({ line, key, message }) => `${line - 8} ${key}: ${message}`);
  }
  return [];
}

/** What `[policy.quarantine]` is when it is left out. */
const QUARANTINE = { enabled: false, above: 0.99, minPaths: 10, after: 3_600_000, atMost: "34%" };

describe("[policy]", () => {
  it("may be left out: then more than half of all operators must agree", () => {
    expect(load("").policy).toEqual({
      mode: "enforce",
      threshold: "majority",
      onConflict: "outvote",
      quarantine: QUARANTINE,
      group: [],
      rule: [],
    });
  });

  it("has groups, rules and a script", () => {
    const { policy } = load(`
[policy]
mode = "report"
threshold = "66%"
members = ["alice", "the-rest"]
on-conflict = "reject"

[[policy.group]]
name = "the-rest"
threshold = 1
members = ["bob", "chuck"]

[[policy.rule]]
name = "browsers"
match = ["firefox-*", "g++-?"]
members = ["alice"]
on-conflict = "outvote"

[policy.script]
file = "policy.js"
time = "50ms"
`);
    expect(policy).toEqual({
      mode: "report",
      threshold: "66%",
      members: ["alice", "the-rest"],
      onConflict: "reject",
      quarantine: QUARANTINE,
      group: [{ name: "the-rest", threshold: 1, members: ["bob", "chuck"] }],
      rule: [
        {
          name: "browsers",
          match: ["firefox-*", "g++-?"],
          threshold: "majority",
          members: ["alice"],
          onConflict: "outvote",
        },
      ],
      script: { file: "/etc/trustix/policy.js", time: 50, memory: 1 << 24 },
    });
  });

  it.each<[string, string, string[]]>([
    [
      "unknown operator",
      '[policy]\nmembers = ["alice", "bod"]\n',
      ['2 policy.members[1]: is no operator or group: "bod"; did you mean "bob"?'],
    ],
    [
      "operator that is like none",
      '[policy]\nmembers = ["someone-else"]\n',
      ['2 policy.members[0]: is no operator or group: "someone-else"; add an [[operator]] of that name'],
    ],
    [
      "threshold above the members",
      "[policy]\nthreshold = 4\n",
      [
        "2 policy.threshold: must be from 1 to 3, the number of members, not 4: nothing could ever be accepted",
      ],
    ],
    [
      "threshold of none",
      "[policy]\nthreshold = 0\n",
      ["2 policy.threshold: must be from 1 to 3, the number of members, not 0"],
    ],
    [
      "threshold that is none",
      '[policy]\nthreshold = "most"\n',
      [
        '2 policy.threshold: must be a number such as 3, a percentage from "1%" to "100%", or "majority", not "most"',
      ],
    ],
    [
      "threshold of another type",
      "[policy]\nthreshold = true\n",
      [
        '2 policy.threshold: must be a number such as 3, a percentage from "1%" to "100%", or "majority", not true',
      ],
    ],
    [
      "percentage of more than all",
      '[policy]\nthreshold = "101%"\n',
      [
        '2 policy.threshold: must be a number such as 3, a percentage from "1%" to "100%", or "majority", not "101%"',
      ],
    ],
    ["nobody", "[policy]\nmembers = []\n", ["2 policy.members: must be at least 1, not []"]],
    [
      "operator twice",
      '[policy]\nmembers = ["alice", "alice"]\n',
      ['2 policy.members[1]: is there twice: "alice" has one vote'],
    ],
    [
      "operator twice by way of a group",
      '[policy]\nmembers = ["alice", "g"]\n[[policy.group]]\nname = "g"\nmembers = ["alice", "bob"]\n',
      [
        '2 policy.members: count operator "alice" twice, as alice and g > alice: one operator, one vote; take one of them out',
      ],
    ],
    [
      "circle of groups",
      '[policy]\nmembers = ["g"]\n[[policy.group]]\nname = "g"\nmembers = ["h"]\n[[policy.group]]\nname = "h"\nmembers = ["bob", "g"]\n',
      ["5 policy.group[0].members: go round in a circle: g > h > g; take one of them out"],
    ],
    [
      "group in itself",
      '[[policy.group]]\nname = "g"\nmembers = ["g"]\n',
      ["3 policy.group[0].members: go round in a circle: g > g; take one of them out"],
    ],
    [
      "group named like an operator",
      '[[policy.group]]\nname = "bob"\nmembers = ["alice"]\n',
      ["2 policy.group[0].name: is the name of an operator, too: rename the group"],
    ],
    [
      "two groups of one name",
      '[[policy.group]]\nname = "g"\nmembers = ["alice"]\n[[policy.group]]\nname = "g"\nmembers = ["bob"]\n',
      ["5 policy.group[1].name: is the name of an earlier group, too: rename one"],
    ],
    [
      "two operators of one name",
      '[[operator]]\nname = "alice"\n',
      ["2 operator[3].name: is the name of an earlier operator, too: rename one"],
    ],
    [
      "two rules of one name",
      '[[policy.rule]]\nname = "r"\nmatch = ["a"]\n[[policy.rule]]\nname = "r"\nmatch = ["b"]\n',
      ["5 policy.rule[1].name: is the name of an earlier rule, too: rename one"],
    ],
    [
      "rule after one for everything",
      '[[policy.rule]]\nname = "all"\nmatch = ["*"]\n[[policy.rule]]\nname = "r"\nmatch = ["b"]\n',
      ['6 policy.rule[1].match: is never reached: rule "all" before it matches every path'],
    ],
    [
      "pattern that an earlier rule takes",
      '[[policy.rule]]\nname = "a"\nmatch = ["x-*"]\n[[policy.rule]]\nname = "b"\nmatch = ["x-*"]\n',
      ['6 policy.rule[1].match: has "x-*", which rule "a" takes before it'],
    ],
    [
      "rule whose threshold inherited members cannot meet",
      '[[policy.rule]]\nname = "a"\nmatch = ["x"]\nthreshold = 4\n',
      [
        "4 policy.rule[0].threshold: must be from 1 to 3, the number of members, not 4: nothing could ever be accepted",
      ],
    ],
    [
      "pattern with what no name has",
      '[[policy.rule]]\nname = "a"\nmatch = ["x/y"]\n',
      ['3 policy.rule[0].match[0]: must be a pattern of letters, digits, `+-._=`, `*` and `?`, not "x/y"'],
    ],
    [
      "misspelled option in a rule",
      '[[policy.rule]]\nname = "a"\nmatch = ["x"]\nmember = ["alice"]\n',
      ["4 policy.rule[0].member: is not an option; did you mean `members`?"],
    ],
    [
      "script with too little time",
      '[policy.script]\nfile = "p.js"\ntime = "0ms"\n',
      ['3 policy.script.time: must be a duration from 1ms to 1s, such as "250ms", "10s" or "1h", not "0ms"'],
    ],
  ])("names the mistake: %s", (_, text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });
});

describe("policyProblems", () => {
  it("ends quickly when many groups all contain each other", () => {
    const all = Array.from({ length: 200 }, (_, index) => `g${index}`);
    const settings: PolicySettings = {
      mode: "enforce",
      onConflict: "outvote",
      threshold: 1,
      members: all,
      group: all.map((name) => ({ name, threshold: 1, members: all })),
      rule: [],
    };
    expect(policyProblems(settings, []).length).toBeGreaterThan(0);
  });
});
