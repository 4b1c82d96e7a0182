// The policy's part of `trustix.toml`: its schema, and the rules that span several of its options. Turning valid
// settings into a policy that decides is the policy role's work (policy/policy.ts).
import * as z from "zod";
import { duration, name, path, size } from "./fields.ts";
import { nearest } from "./suggest.ts";

/** Bounds on what a policy may contain, so that a decision is always cheap. */
const MAX_MEMBERS = 256;
const MAX_GROUPS = 256;
const MAX_RULES = 256;
const MAX_PATTERNS = 64;
const MAX_PATTERN_LENGTH = 256;

const PERCENTAGE = /^(100|[1-9][0-9]?)%$/;

const threshold = z
  .union([z.int(), z.string()], { error: thresholdAdvice })
  .refine((value) => typeof value === "number" || value === "majority" || PERCENTAGE.test(value), {
    error: thresholdAdvice,
  })
  .default("majority")
  .meta({
    kind: "threshold",
    description:
      'How many members must agree: a number, a percentage of the configured members such as `"66%"` (rounded up), or `"majority"`, which is more than half. Members that do not answer stay in the count.',
    example: 3,
  });

function thresholdAdvice(): string {
  return 'must be a number such as 3, a percentage from "1%" to "100%", or "majority"';
}

const members = z.array(z.string().min(1).max(64)).min(1).max(MAX_MEMBERS);

const onConflict = z.enum(["outvote", "reject"]);

/** `[[operator]]` */
export const operatorSchema = z
  .strictObject({
    name: name(
      "Name of the operator in this file and in reports. Logs and caches that you subscribe to belong to an operator.",
      "alice",
    ),
  })
  .meta({
    description:
      "Somebody who runs builders. An operator has one vote, however many logs and caches carry its word. Repeat the section for each operator.",
  });

const group = z
  .strictObject({
    name: name("Name of the group in `members`; no operator may have the same.", "community"),
    threshold,
    members: members.meta({
      kind: "list of operators and groups",
      description: "Who belongs to the group. A group votes for a statement when enough of its members do.",
      example: ["bob", "chuck"],
    }),
  })
  .meta({ description: "Operators, or other groups, that have one vote together." });

const rule = z
  .strictObject({
    name: name("Name of the rule in explanations.", "browsers"),
    match: z
      .array(
        z
          .string()
          .max(MAX_PATTERN_LENGTH)
          .regex(/^[0-9A-Za-z+\-._?=*]+$/, "must be a pattern of letters, digits, `+-._=`, `*` and `?`"),
      )
      .min(1)
      .max(MAX_PATTERNS)
      .meta({
        kind: "list of patterns",
        description:
          "Patterns for the name of the store path, the part after the hash. `*` is any text, `?` any one character; letters match themselves only. The whole name must match. The first rule that matches applies.",
        example: ["firefox-*", "chromium-*"],
      }),
    threshold,
    members: members.optional().meta({
      kind: "list of operators and groups",
      description: "Who must agree.",
      fallback: "the members of `[policy]`",
    }),
    "on-conflict": onConflict.optional().meta({
      description: "What dissent means under this rule; see `[policy]`.",
      fallback: "that of `[policy]`",
    }),
  })
  .meta({ description: "A rule of its own for some packages. Rules are tried in the order of the file." });

const script = z
  .strictObject({
    file: path({
      description:
        "A JavaScript module whose default export has the last word on every path that does not prove itself. Relative to the configuration file.",
    }),
    time: duration(1, 1000, { description: "Longest time for one decision." }).prefault("20ms"),
    memory: size(2 ** 20, 2 ** 28, { description: "Most memory for one decision." }).prefault("16MiB"),
  })
  .meta({ description: "A function in place of, or on top of, rules." });

const quarantine = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description:
        "Whether an operator that is found to deviate stops counting by itself. Who was put into quarantine by hand does not count either way.",
    }),
    above: z.number().min(0.9).max(0.999_999).default(0.99).meta({
      kind: "number from 0.9 to 0.999999",
      description: "The probability that it deviates has to be above this.",
    }),
    "min-paths": z.int().min(1).max(1_000_000).default(10).meta({
      description:
        "It has to have deviated on about so many paths at least. One that was released goes back after so many more than were known then.",
    }),
    after: duration(0, 30 * 86_400_000, {
      description:
        "How long it has to have been that suspect: while logs are still being read, those read first look alike.",
    }).prefault("1h"),
    "at-most": z.string().regex(PERCENTAGE, 'must be a percentage from "1%" to "100%"').default("34%").meta({
      kind: "percentage",
      description:
        "Share of all operators, rounded down, beyond which nobody is put into quarantine automatically. Those in it already count as part of it, by whomever they were put there. Builders that collude can make an honest one look bad; with this they cannot silence the rest.",
    }),
  })
  .meta({
    description:
      "Suspects stop counting: visibly, until `trustix quarantine release`. Thresholds stay as they are, and what would be refused if everybody counted is refused still, so quarantine only ever makes acceptance harder.",
  });

/** `[policy]` */
export const policySchema = z
  .strictObject({
    mode: z.enum(["enforce", "report"]).default("enforce").meta({
      description:
        "`enforce` accepts only what the rules accept. `report` accepts what any operator states, and records what `enforce` would have said.",
    }),
    threshold,
    members: members.optional().meta({
      kind: "list of operators and groups",
      description: "Who must agree on a path that no rule matches.",
      fallback: "all operators",
    }),
    "on-conflict": onConflict.default("outvote").meta({
      description:
        "What it means when the threshold is met and a member states something else: `outvote` accepts, `reject` refuses.",
    }),
    group: z
      .array(group)
      .max(MAX_GROUPS)
      .default([])
      .meta({ description: group.meta()?.description ?? "" }),
    rule: z
      .array(rule)
      .max(MAX_RULES)
      .default([])
      .meta({ description: rule.meta()?.description ?? "" }),
    script: script.optional(),
    quarantine: quarantine.prefault({}),
  })
  .meta({
    description:
      "Which agreement makes a binary acceptable. Without this section more than half of all operators must agree.",
  });

/** An integer, `"66%"` or `"majority"`, of a number of members. */
export type ThresholdSetting = number | string;

/** Settings of a quorum: `members` are names of operators and groups. */
export interface QuorumSettings {
  readonly threshold: ThresholdSetting;
  readonly members?: readonly string[] | undefined;
}

export interface GroupSettings extends QuorumSettings {
  readonly name: string;
  readonly members: readonly string[];
}

export interface RuleSettings extends QuorumSettings {
  readonly name: string;
  readonly match: readonly string[];
  readonly onConflict?: "outvote" | "reject" | undefined;
}

/** `[policy]` with keys as the daemon has them. `time` is in milliseconds, `memory` in bytes, `file` absolute. */
export interface PolicySettings extends QuorumSettings {
  readonly mode: "enforce" | "report";
  readonly onConflict: "outvote" | "reject";
  readonly group: readonly GroupSettings[];
  readonly rule: readonly RuleSettings[];
  readonly script?: { readonly file: string; readonly time: number; readonly memory: number } | undefined;
}

/** `[policy.quarantine]` with keys as the daemon has them. `after` is in milliseconds, `atMost` a percentage such as `"34%"`. */
export interface QuarantineSettings {
  readonly enabled: boolean;
  readonly above: number;
  readonly minPaths: number;
  readonly after: number;
  readonly atMost: string;
}

/** One thing that is wrong with a policy: where, as steps from the top of the file, and what to do about it. */
export interface PolicyProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Path = PolicyProblem["path"];

/** Whether a pattern matches every name, so that rules after it never apply. */
function matchesAll(pattern: string): boolean {
  return /^\*+$/.test(pattern);
}

/** All that is wrong with settings whose options are each right; empty when they make a policy. */
export function policyProblems(policy: PolicySettings, operators: readonly string[]): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const add = (path: Path, message: string) => problems.push({ path, message });
  const groups = new Map(policy.group.map((each) => [each.name, each]));
  const known = [...operators, ...groups.keys()];

  unique(operators, (index) => ["operator", index, "name"], "operator");
  unique(
    policy.group.map((each) => each.name),
    (index) => ["policy", "group", index, "name"],
    "group",
  );
  unique(
    policy.rule.map((each) => each.name),
    (index) => ["policy", "rule", index, "name"],
    "rule",
  );
  for (const [index, each] of policy.group.entries()) {
    if (operators.includes(each.name)) {
      add(["policy", "group", index, "name"], `is the name of an operator, too: rename the group`);
    }
  }

  let circular = false;
  for (const [index, each] of policy.group.entries()) {
    const path: Path = ["policy", "group", index];
    quorum(each, each.members, path);
    const cycle = findCycle(each.name, groups);
    if (cycle === undefined) continue;
    circular = true;
    // Each circle once, at the group that comes first in the file.
    if (policy.group.find(({ name }) => cycle.includes(name)) === each) {
      const way = [...cycle, each.name].join(" > ");
      add([...path, "members"], `go round in a circle: ${way}; take one of them out`);
    }
  }

  if (operators.length > 0 || policy.members !== undefined) {
    voters(policy, policy.members ?? operators, ["policy"]);
  }
  for (const [index, each] of policy.rule.entries()) {
    const path: Path = ["policy", "rule", index];
    if (each.members === undefined && policy.members === undefined && operators.length === 0) {
      add(path, "has nobody to ask: add an [[operator]], or members");
    } else {
      voters(each, each.members ?? policy.members ?? operators, path);
    }
    const earlier = policy.rule.slice(0, index);
    const catchAll = earlier.find((other) => other.match.some(matchesAll));
    if (catchAll !== undefined) {
      add([...path, "match"], `is never reached: rule "${catchAll.name}" before it matches every path`);
      continue;
    }
    for (const pattern of each.match) {
      const other = earlier.find(({ match }) => match.includes(pattern));
      if (other !== undefined)
        add([...path, "match"], `has ${JSON.stringify(pattern)}, which rule "${other.name}" takes before it`);
    }
  }
  return problems;

  function unique(names: readonly string[], path: (index: number) => Path, what: string): void {
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) < index) add(path(index), `is the name of an earlier ${what}, too: rename one`);
    }
  }

  /** Checks the names and the threshold of one quorum, without what is inside its groups. */
  function quorum(settings: QuorumSettings, names: readonly string[], path: Path): boolean {
    const before = problems.length;
    // Inherited members are checked where they stand, but for their number.
    for (const [index, name] of settings.members?.entries() ?? []) {
      if (!known.includes(name)) {
        const guess = nearest(name, known);
        const fix = guess === undefined ? "add an [[operator]] of that name" : `did you mean "${guess}"?`;
        add([...path, "members", index], `is no operator or group: ${JSON.stringify(name)}; ${fix}`);
      } else if (names.indexOf(name) < index) {
        add([...path, "members", index], `is there twice: ${JSON.stringify(name)} has one vote`);
      }
    }
    const { threshold: needed } = settings;
    if (typeof needed === "number" && (needed < 1 || needed > names.length)) {
      add(
        [...path, "threshold"],
        `must be from 1 to ${names.length}, the number of members, not ${needed}${needed < 1 ? "" : ": nothing could ever be accepted"}`,
      );
    }
    return problems.length === before;
  }

  /** Checks a quorum that decides: nobody may have two votes in it by way of its groups. */
  function voters(settings: QuorumSettings, names: readonly string[], path: Path): void {
    if (!quorum(settings, names, path) || circular || settings.members === undefined) return;
    const ways = new Map<string, string>();
    for (const member of names) {
      for (const [operator, way] of operatorsOf(member, groups, [])) {
        const other = ways.get(operator);
        if (other === undefined) {
          ways.set(operator, way);
          continue;
        }
        add(
          [...path, "members"],
          `count operator "${operator}" twice, as ${other} and ${way}: one operator, one vote; take one of them out`,
        );
        return;
      }
    }
  }
}

/** The way from a group back to itself, if there is one. */
function findCycle(start: string, groups: ReadonlyMap<string, GroupSettings>): string[] | undefined {
  const seen = new Set<string>();
  const visit = (name: string, way: readonly string[]): string[] | undefined => {
    for (const member of groups.get(name)?.members ?? []) {
      if (member === start) return [...way, name];
      if (seen.has(member)) continue;
      seen.add(member);
      const found = visit(member, [...way, name]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return visit(start, []);
}

/** Operators below a name, each with the way to it. A second meeting ends the walk: it is a problem already. */
function* operatorsOf(
  name: string,
  groups: ReadonlyMap<string, GroupSettings>,
  way: readonly string[],
): Generator<readonly [operator: string, way: string]> {
  const group = groups.get(name);
  const steps = [...way, name];
  if (group === undefined) {
    yield [name, steps.join(" > ")];
    return;
  }
  for (const member of group.members) yield* operatorsOf(member, groups, steps);
}
