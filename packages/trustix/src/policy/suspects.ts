/**
 * Which suspects are to be put into quarantine. Pure, so that the daemon and `trustix policy test` agree.
 *
 * What an attacker may try is to make an honest operator a suspect: builders that share a false output outnumber one that
 * has the right one. Quarantine then silences it, which can make acceptance harder and never easier, and it is bounded:
 * only so many operators are silenced without a person's doing.
 */

import type { QuarantineSettings } from "../config/policy.ts";
import type { QuarantinedOperator } from "../votes/quarantine.ts";

/** What is known of an operator that may deviate. */
export interface Suspect {
  readonly operator: string;
  /** Probability that it deviates, alone or with others. */
  readonly suspicion: number;
  /** Expected number of paths on which it deviated. */
  readonly paths: number;
}

/** What the choice needs to know besides. */
export interface Standing {
  /** All configured operators. */
  readonly operators: readonly string[];
  /** Those in quarantine. */
  readonly quarantined: readonly string[];
  /** Those that were released, with the number of deviating paths that was known then. */
  readonly released: ReadonlyMap<string, number>;
}

/** Who is to be quarantined, and who is suspect enough and is not because there would be too many. */
export interface Choice {
  readonly chosen: readonly Suspect[];
  readonly heldBack: readonly Suspect[];
}

/** The probability and the paths that suffice. */
export function isSuspectEnough(suspect: Suspect, settings: QuarantineSettings, knownPaths = 0): boolean {
  return suspect.suspicion > settings.above && suspect.paths >= knownPaths + settings.minPaths;
}

/** Chooses among suspects; those with most deviating paths come first. */
export function chooseSuspects(
  suspects: readonly Suspect[],
  settings: QuarantineSettings,
  { operators, quarantined, released }: Standing,
): Choice {
  const free = mostQuarantined(settings, operators.length) - quarantined.length;
  const enough = suspects
    .filter(({ operator }) => operators.includes(operator) && !quarantined.includes(operator))
    .filter((each) => isSuspectEnough(each, settings, released.get(each.operator)))
    .sort((a, b) => b.paths - a.paths || (a.operator < b.operator ? -1 : 1));
  const places = settings.enabled ? Math.max(0, free) : 0;
  return { chosen: enough.slice(0, places), heldBack: settings.enabled ? enough.slice(places) : [] };
}

/** How many of so many operators may be in quarantine before nobody is added automatically. */
function mostQuarantined({ atMost }: QuarantineSettings, operators: number): number {
  return Math.floor((Number(atMost.slice(0, -1)) * operators) / 100);
}

/** What a node tells of its quarantine. */
export interface ToldQuarantine {
  readonly operators: readonly {
    readonly operator: string;
    readonly state: "quarantined" | "released";
    readonly by: "estimate" | "hand";
    readonly reason: string;
    readonly since: string;
  }[];
  readonly suspects: readonly Suspect[];
}

/** Who would be in quarantine under other settings, once all who are suspect had been so for long enough. */
export function quarantineUnder(
  settings: QuarantineSettings,
  operators: readonly string[],
  { operators: told, suspects }: ToldQuarantine,
): readonly QuarantinedOperator[] {
  const staying = told
    .filter(({ operator, state }) => state === "quarantined" && operators.includes(operator))
    .filter(({ by }) => by === "hand" || settings.enabled)
    .map(({ operator, by, reason, since }) => ({ operator, by, reason, sinceMs: Date.parse(since) }));
  const quarantined = staying.map(({ operator }) => operator);
  const released = new Map(
    told.filter(({ state }) => state === "released").map(({ operator }) => [operator, Infinity]),
  );
  const { chosen } = chooseSuspects(suspects, settings, { operators, quarantined, released });
  const added = chosen.map((suspect) => ({
    operator: suspect.operator,
    by: "estimate" as const,
    reason: describeSuspect(suspect),
    sinceMs: 0,
  }));
  return [...staying, ...added];
}

/** One sentence on why. */
export function describeSuspect({ suspicion, paths }: Suspect): string {
  // Nothing is certain, whatever rounding makes of it.
  const percent = Math.min(99.99, Math.floor(suspicion * 10_000) / 100);
  return `deviates with a probability of ${percent} %, on about ${Math.round(paths)} paths that are reproducible elsewhere`;
}
