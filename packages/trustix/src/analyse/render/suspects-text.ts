// Who is suspected and why, as text for a terminal.

import type { BuildersJson, SuspicionJson } from "../../http/insight-schema.ts";
import { type Paint, renderTable, visible } from "../../terminal.ts";
import { MIN_NAMED_PATHS } from "../estimate.ts";
import { tooFewBuilders } from "./builders-text.ts";
import { formatInterval, formatProbability, listOf, sidesOf } from "./counts.ts";

type Context = SuspicionJson["evidence"][number]["context"];

const CONTEXTS: Readonly<Record<Context, string>> = {
  unknown: "no other path of the package is known",
  agreed: "all agree on the package's other paths",
  outliers: "somebody stood apart on the package's other paths",
  disputed: "the package's other paths are disputed",
};

/**
 * Who is suspected, how sure that is, why, and what to look at next.
 * @param limit paths to list for each suspicion at most
 */
export function renderSuspects(
  { builders, suspicions, estimatedAt }: BuildersJson,
  paint: Paint,
  limit: number,
): string {
  if (estimatedAt === null)
    return "There is no estimate yet: the node is still reading, or has too little to compare.";
  const when = `estimated ${estimatedAt.slice(0, 16).replace("T", " ")} UTC`;
  if (suspicions.length === 0) {
    const tooFew = tooFewBuilders(builders);
    return tooFew === undefined ? `Nobody is suspected (${when}).` : `${tooFew}\n${paint("dim", when)}`;
  }
  return [...suspicions.map((each) => renderSuspicion(each, paint, limit)), paint("dim", when)].join("\n\n");
}

function renderSuspicion(
  { operators, probability, rate, paths, evidence }: SuspicionJson,
  paint: Paint,
  limit: number,
): string {
  const names = visible(listOf(operators));
  const isOne = operators.length === 1;
  const deed = isOne ? "deviates" : "deviate together, with the same outputs";
  const about = paths < 10 ? paths.toFixed(1) : String(Math.round(paths));
  const lines = [
    `${paint("red", names)} ${deed}: probability ${formatProbability(probability)}`,
    `  About ${about} paths that ${isOne ? "it" : "they"} built are not what the others got, where the packages are reproducible.`,
    `  That is ${formatInterval(rate)} of the reproducible paths that ${isOne ? "it" : "all of them"} built, 95 % interval in brackets.`,
  ];
  if (paths < MIN_NAMED_PATHS)
    lines.push(`  This rests on too few paths to call ${isOne ? "it a suspect" : "them suspects"} yet.`);
  const [first] = evidence;
  if (first === undefined) return lines.join("\n");
  const rows = evidence
    .slice(0, limit)
    .map((each) => [
      formatProbability(each.probability),
      visible(each.storePath),
      visible(sidesOf(each)),
      CONTEXTS[each.context],
    ]);
  lines.push("", renderTable(["WEIGHT", "PATH", "WHO SAYS WHAT", "THE PACKAGE"], rows, paint));
  if (evidence.length > limit)
    lines.push(`and ${evidence.length - limit} more: raise --limit, or see --json`);
  lines.push(
    "",
    `  next:  trustix explain ${first.hashPart}`,
    `         trustix diff ${first.hashPart}`,
    "         trustix suspects --evidence DIR",
  );
  return lines.join("\n");
}
