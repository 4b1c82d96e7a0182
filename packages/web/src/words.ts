// What classes, states and verdicts mean, in one place and in plain words.
import type { PathClassName, PathStatusName } from "trustix/src/http/insight-schema.ts";

/** Statuses in the order in which they are always shown. */
export const STATUSES: readonly PathStatusName[] = ["reproducible", "disputed", "single", "unchecked"];

/** Classes in the order in which they are always shown. */
export const CLASSES: readonly PathClassName[] = [
  "unanimous",
  "majority",
  "split",
  "conflicting",
  "single",
  "unchecked",
];

/** A word and what it says. */
export interface Meaning {
  readonly label: string;
  readonly meaning: string;
}

/** How a path is counted. */
export const STATUS: Readonly<Record<PathStatusName, Meaning>> = {
  reproducible: {
    label: "Reproducible",
    meaning: "Two operators or more built it, all with the same result.",
  },
  disputed: { label: "Disputed", meaning: "Operators state different results for it." },
  single: { label: "Built once", meaning: "A single operator built it: nobody confirms or denies it." },
  unchecked: { label: "Unchecked", meaning: "Nobody whom this node listens to has built it." },
};

/** What the claims about a path say together. */
export const CLASS: Readonly<Record<PathClassName, Meaning>> = {
  unanimous: { label: "unanimous", meaning: "all operators who built it agree" },
  majority: { label: "majority", meaning: "more than half agree, others say something else" },
  split: { label: "split", meaning: "no result has more than half of the operators" },
  conflicting: { label: "conflicting", meaning: "an operator contradicts itself, so it counts for nobody" },
  single: { label: "single", meaning: "one operator built it" },
  unchecked: { label: "unchecked", meaning: "nobody has a claim on it" },
};

/** How a subscription is. */
export const HEALTH: Readonly<Record<string, Meaning & { readonly tone: "good" | "fair" | "bad" }>> = {
  starting: { label: "starting", meaning: "It has not been looked at yet.", tone: "fair" },
  reading: { label: "reading", meaning: "There is more to read.", tone: "fair" },
  ok: { label: "ok", meaning: "Everything is read and verified.", tone: "good" },
  stale: { label: "stale", meaning: "It has had nothing new for long.", tone: "fair" },
  failing: {
    label: "failing",
    meaning: "The last look failed; it is tried again. What was read counts.",
    tone: "bad",
  },
  full: { label: "full", meaning: "It has brought as much as it may; nothing more is read.", tone: "bad" },
  quarantined: {
    label: "quarantined",
    meaning: "It showed two histories, or went back. It does not count until you clear it.",
    tone: "bad",
  },
  resting: {
    label: "resting",
    meaning: "After failures in a row it is left alone for a while.",
    tone: "bad",
  },
};

/** What the estimate says of an operator. */
const VERDICT: Readonly<Record<"suspect" | "faithful" | "unclear", Meaning>> = {
  suspect: {
    label: "Suspect",
    meaning:
      "Its results deviate where the others agree, more than flaky packages explain. Look at the paths before you trust it.",
  },
  faithful: {
    label: "Faithful",
    meaning: "Where it differs, flaky packages explain it. Nothing points to a deviation of its own.",
  },
  unclear: {
    label: "Unclear",
    meaning:
      "Nothing points to a deviation, but too few of its paths were built by others to rule one out: about a thousand are needed.",
  },
};

/** Probability from which on an operator is named, if enough paths show it. */
const NAMED_FROM = 0.95;

/** What the verdict on an operator says. A high suspicion without a name rests on too few paths. */
export function verdictMeaning({
  verdict,
  suspicion,
}: {
  readonly verdict: keyof typeof VERDICT;
  readonly suspicion: number;
}): Meaning {
  if (verdict !== "unclear" || suspicion < NAMED_FROM) return VERDICT[verdict];
  const { label } = VERDICT.unclear;
  return { label, meaning: "It may deviate, but the suspicion rests on too few paths to call it a suspect." };
}
