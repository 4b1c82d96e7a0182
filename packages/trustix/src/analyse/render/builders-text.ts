// How the builders fare, as text for a terminal.

import type { BuilderJson, BuildersJson } from "../../http/insight-schema.ts";
import { type Paint, renderTable, visible } from "../../terminal.ts";
import { NAMED_FROM } from "../estimate.ts";
import { formatInterval, formatProbability, formatShare } from "./counts.ts";

type Style = Parameters<Paint>[0];
type Verdict = NonNullable<BuilderJson["assessment"]>["verdict"];

const VERDICTS: Readonly<Record<Verdict, readonly [style: Style, words: string]>> = {
  suspect: ["red", "suspect: differs where packages are reproducible"],
  faithful: ["green", "faithful: differs where packages are flaky, if at all"],
  unclear: ["yellow", "unclear: too little seen to call it faithful"],
};

/** Builders of which at least so many are needed to tell who of them deviates. */
const FEWEST_BUILDERS = 3;

/** Says that there are too few builders to tell who deviates; undefined when there are enough. */
export function tooFewBuilders(builders: readonly BuilderJson[]): string | undefined {
  const count = builders.filter(({ counts }) => counts.paths > 0).length;
  if (count >= FEWEST_BUILDERS) return undefined;
  if (count === 0) return "No builder has a claim yet: there is nothing to compare.";
  const who = count === 1 ? "One builder is" : "Two builders are";
  return `${who} too few to tell who deviates: only a third can say which of two is wrong.`;
}

function wordsOf({ assessment }: BuilderJson): readonly [style: Style, words: string] {
  if (assessment === null) return ["dim", "not assessed yet"];
  const { verdict, suspicion } = assessment;
  if (verdict === "unclear" && suspicion >= NAMED_FROM)
    return ["yellow", "unclear: the suspicion rests on too few paths"];
  return VERDICTS[verdict];
}

function verdictOf(builder: BuilderJson, paint: Paint): string {
  const { quarantine } = builder;
  const [style, words] = wordsOf(builder);
  const verdict = paint(style, words);
  if (quarantine === null) return verdict;
  const since = quarantine.since.slice(0, 16).replace("T", " ");
  return `${verdict}; ${paint("red", `in quarantine since ${since}`)}: ${visible(quarantine.reason)}`;
}

/** A table of all builders, and whether they are too few. */
export function renderBuilders({ builders }: BuildersJson, paint: Paint): string {
  const rows = builders.map((each) => {
    const { counts, assessment } = each;
    return [
      visible(each.operator),
      String(counts.paths),
      String(counts.reproducible),
      String(counts.disputed),
      String(counts.single),
      String(each.alone),
      String(each.torn),
      assessment === null ? "-" : formatInterval(assessment.deviation),
      assessment === null ? "-" : formatProbability(assessment.suspicion),
      verdictOf(each, paint),
    ];
  });
  const header = [
    "BUILDER",
    "PATHS",
    "REPRODUCIBLE",
    "DISPUTED",
    "SINGLE",
    "ALONE",
    "CONTRADICTS ITSELF",
    "DEVIATES (95 %)",
    "SUSPICION",
    "VERDICT",
  ];
  const table = renderTable(header, rows, paint);
  const tooFew = tooFewBuilders(builders);
  return tooFew === undefined ? table : `${table}\n\n${paint("yellow", tooFew)}`;
}

/** How often each builder agrees with each other, in percent of the paths that both built, and how many those are. */
export function renderMatrix({ builders, matrix }: BuildersJson, paint: Paint): string {
  const names = builders.map(({ operator }) => visible(operator));
  const rows = names.map((name, row) => [
    paint("bold", name),
    ...names.map((_, column) => {
      const shared = matrix.shared[row]?.[column] ?? 0;
      const agreed = matrix.agreed[row]?.[column] ?? 0;
      if (row === column || shared === 0) return row === column ? paint("dim", "·") : "-";
      return paint(agreed === shared ? "green" : "yellow", `${formatShare(agreed, shared)} of ${shared}`);
    }),
  ]);
  return renderTable(["AGREES", ...names], rows, paint);
}
