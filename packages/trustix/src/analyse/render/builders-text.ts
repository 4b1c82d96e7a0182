// How the builders fare, as text for a terminal.

import type { BuilderJson, BuildersJson } from "../../http/insight-schema.ts";
import { type Paint, renderTable, visible } from "../../terminal.ts";
import { formatInterval, formatProbability, formatShare } from "./counts.ts";

type Style = Parameters<Paint>[0];
type Verdict = NonNullable<BuilderJson["assessment"]>["verdict"];

const VERDICTS: Readonly<Record<Verdict, readonly [style: Style, words: string]>> = {
  suspect: ["red", "suspect: differs where packages are reproducible"],
  faithful: ["green", "faithful: differs where packages are flaky, if at all"],
  unclear: ["yellow", "unclear: too little seen to call it faithful"],
};

function verdictOf({ assessment, quarantine }: BuilderJson, paint: Paint): string {
  const [style, words] =
    assessment === null ? (["dim", "not assessed yet"] as const) : VERDICTS[assessment.verdict];
  const verdict = paint(style, words);
  if (quarantine === null) return verdict;
  const since = quarantine.since.slice(0, 16).replace("T", " ");
  return `${verdict}; ${paint("red", `in quarantine since ${since}`)}: ${visible(quarantine.reason)}`;
}

/** A table of all builders. */
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
  return renderTable(header, rows, paint);
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
