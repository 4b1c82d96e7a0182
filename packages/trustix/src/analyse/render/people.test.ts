import { styleText } from "node:util";
import { describe, expect, test } from "vitest";
import { type BuilderJson, type BuildersJson, buildersSchema } from "../../http/insight-schema.ts";
import type { Paint } from "../../terminal.ts";
import { renderBuilders, renderMatrix } from "./builders-text.ts";
import { renderSuspects } from "./suspects-text.ts";

const plain: Paint = (_, text) => text;
const colourful: Paint = (style, text) => styleText(style, text, { validateStream: false });

const builder = (operator: string, some: Partial<BuilderJson> = {}): BuilderJson => ({
  operator,
  subscriptions: [operator],
  counts: { paths: 1000, reproducible: 980, disputed: 12, single: 8, unchecked: 0 },
  outlier: 0,
  alone: 0,
  torn: 0,
  assessment: {
    paths: 992,
    reproduciblePaths: 985,
    deviation: { low: 0, mean: 0.0004, high: 0.002 },
    oddness: { low: 0, mean: 0.1, high: 0.4 },
    suspicion: 0.0001,
    verdict: "faithful",
  },
  quarantine: null,
  ...some,
});

const chuck = builder("chuck", {
  outlier: 12,
  alone: 12,
  assessment: {
    paths: 992,
    reproduciblePaths: 985,
    deviation: { low: 0.0063, mean: 0.0123, high: 0.021 },
    oddness: { low: 0, mean: 0.1, high: 0.4 },
    suspicion: 0.99999,
    verdict: "suspect",
  },
  quarantine: { since: "2026-11-21T10:00:00Z", reason: "suspicion 0.99\u001b[2J" },
});

const hashPart = "1".repeat(32);
const answer: BuildersJson = {
  version: 3,
  builders: [builder("alice"), builder("bob", { assessment: null, torn: 1 }), chuck],
  matrix: {
    shared: [
      [1000, 500, 992],
      [500, 500, 0],
      [992, 0, 1000],
    ],
    agreed: [
      [1000, 500, 980],
      [500, 499, 0],
      [980, 0, 1000],
    ],
  },
  suspicions: [
    {
      operators: ["chuck"],
      probability: 0.99999,
      rate: { low: 0.0063, mean: 0.0123, high: 0.021 },
      paths: 11.7,
      evidence: ["hello-2.12.1", "openssl-3\u001b[31m"].map((name) => ({
        hashPart,
        name,
        storePath: `/nix/store/${hashPart}-${name}`,
        system: "x86_64-linux",
        kind: "majority",
        status: "disputed",
        agreeing: ["alice", "bob"],
        outliers: ["chuck"],
        firstSeen: "2026-11-20T10:00:00Z",
        changed: "2026-11-20T10:00:00Z",
        probability: 0.998,
        context: "agreed",
      })),
    },
  ],
  estimatedAt: "2026-11-22T18:00:00Z",
};

test("what is rendered is what the API answers", () => {
  expect(buildersSchema.parse(answer)).toEqual(answer);
});

describe("builders", () => {
  test("as a table", () => {
    expect(renderBuilders(answer, plain)).toMatchInlineSnapshot(`
      "BUILDER  PATHS  REPRODUCIBLE  DISPUTED  SINGLE  ALONE  CONTRADICTS ITSELF  DEVIATES (95 %)         SUSPICION  VERDICT
      alice    1000   980           12        8       0      0                   0.040 % (0 to 0.200)    <0.1 %     faithful: differs where packages are flaky, if at all
      bob      1000   980           12        8       0      1                   -                       -          not assessed yet
      chuck    1000   980           12        8       12     0                   1.23 % (0.630 to 2.10)  >99.9 %    suspect: differs where packages are reproducible; in quarantine since 2026-11-21 10:00: suspicion 0.99\\u{1b}[2J"
    `);
  });

  test("of whom two are too few to tell who deviates", () => {
    const two = { ...answer, builders: answer.builders.slice(0, 2) };
    expect(renderBuilders(two, plain)).toMatch(/\n\nTwo builders are too few to tell who deviates: .*$/);
    expect(renderBuilders(answer, plain)).not.toContain("too few to tell");
  });

  test("whose suspicion rests on too few paths to name them", () => {
    const { assessment } = chuck;
    const unclear = builder("chuck", { assessment: { ...assessment!, verdict: "unclear", suspicion: 0.97 } });
    expect(renderBuilders({ ...answer, builders: [unclear] }, plain)).toContain(
      "unclear: the suspicion rests on too few paths",
    );
    const suspicions = answer.suspicions.map((each) => ({ ...each, paths: 2.4 }));
    expect(renderSuspects({ ...answer, suspicions }, plain, 10)).toContain(
      "This rests on too few paths to call it a suspect yet.",
    );
  });

  test("and who agrees with whom", () => {
    expect(renderMatrix(answer, plain)).toMatchInlineSnapshot(`
      "AGREES  alice           bob             chuck
      alice   ·               100.0 % of 500  98.8 % of 992
      bob     100.0 % of 500  ·               -
      chuck   98.8 % of 992   -               ·"
    `);
    expect(renderMatrix(answer, colourful)).toContain("\u001b[33m98.8 % of 992\u001b[39m");
  });
});

describe("suspects", () => {
  test("with why and what next", () => {
    expect(renderSuspects(answer, plain, 10)).toMatchInlineSnapshot(`
      "chuck deviates: probability >99.9 %
        About 12 paths that it built are not what the others got, where the packages are reproducible.
        That is 1.23 % (0.630 to 2.10) of the reproducible paths that it built, 95 % interval in brackets.

      WEIGHT  PATH                                                             WHO SAYS WHAT                       THE PACKAGE
      99.8 %  /nix/store/11111111111111111111111111111111-hello-2.12.1         alice and bob agree; chuck differs  all agree on the package's other paths
      99.8 %  /nix/store/11111111111111111111111111111111-openssl-3\\u{1b}[31m  alice and bob agree; chuck differs  all agree on the package's other paths

        next:  trustix explain 11111111111111111111111111111111
               trustix diff 11111111111111111111111111111111
               trustix suspects --evidence DIR

      estimated 2026-11-22 18:00 UTC"
    `);
    expect(renderSuspects(answer, plain, 1)).toContain("and 1 more: raise --limit, or see --json");
    expect(renderSuspects(answer, colourful, 10)).toContain("\u001b[31mchuck\u001b[39m deviates");
  });

  test("that collude are named together", () => {
    const [first] = answer.suspicions;
    const text = renderSuspects(
      { ...answer, suspicions: [{ ...first!, operators: ["chuck", "eve"], evidence: [] }] },
      plain,
      10,
    );
    expect(text).toContain("chuck and eve deviate together, with the same outputs: probability >99.9 %");
    expect(text).not.toContain("next:");
  });

  test("are not there, or not known yet", () => {
    expect(renderSuspects({ ...answer, suspicions: [] }, plain, 10)).toBe(
      "Nobody is suspected (estimated 2026-11-22 18:00 UTC).",
    );
    const few = (count: number) =>
      renderSuspects({ ...answer, builders: answer.builders.slice(0, count), suspicions: [] }, plain, 10);
    expect(few(2)).toContain("Two builders are too few to tell who deviates");
    expect(few(1)).toContain("One builder is too few");
    expect(few(0)).toContain("nothing to compare");
    expect(renderSuspects({ ...answer, estimatedAt: null }, plain, 10)).toContain("There is no estimate yet");
  });
});
