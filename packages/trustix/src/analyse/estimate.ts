// Which builders misbehave, and which packages are reproducible: both at once, from who agreed with whom.
//
// A mismatch alone blames nobody, because there are two explanations: a flaky package or an unfaithful builder. The model
// has a latent class for each path, as Dawid and Skene have for each patient, and rates for each observer, fitted with EM:
//
//   reproducible  One right output. Every builder has it, except a *deviating* set of builders that share another one: a
//                 lone liar or colluders. Each set S deviates at a rate of its own. Independent sets may meet on a path.
//   flaky         The output is drawn anew at each build. Who agrees with whom is then an exchangeable random partition, a
//                 mixture over Pitman-Yor partitions: a few variants to choose from, or a new output every time. One
//                 builder may be *odd*: it agrees with nobody, as one with a broken clock does wherever time gets into the
//                 output. So may a few that share a toolchain: they agree with each other and with nobody else. Oddness
//                 shows where the others differ too, and so explains standing apart in the rest.
//
// A lie on few but reproducible packages is what the first class with S explains and the second does not: the flaky class is
// exchangeable, so whatever it says of standing alone it says of everybody, and it is fitted to whatever is seen of everybody.
// What remains for S is its own. S is either honest (its rate is low: rare differences of its environment) or deviant (any
// rate well above that); the posterior odds of the two name it. Where the middle one of all builders deviates more often than
// honest ones are presumed to, they are presumed to do that.
//
// How many paths are flaky is fitted for each context of the package: where its other versions are reproducible, standing
// alone weighs far more. Without context a liar is seen only when it lies more often than two variants of a flaky package
// happen to fall six to one.
//
// It is assumed that less than half of the operators deviate together, and no more than three. Where that is wrong the
// majority is believed, or the package is taken for flaky.
//
// Sources: A. P. Dawid, A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm",
// Applied Statistics 28 (1979), 20-28 (latent class, observer rates, EM). J. Pitman, "Exchangeable and partially exchangeable
// random partitions", Probability Theory and Related Fields 102 (1995), 145-158 (probability of a partition). X. L. Dong,
// L. Berti-Equille, D. Srivastava, "Integrating conflicting data: the role of source dependence", PVLDB 2 (2009), 550-561 (that
// sharing a wrong value, not sharing a right one, betrays dependence).
// Figures: bench/suspects.ts.

import type { Pattern } from "./classify.ts";
import type { CountedPattern, PackageContext } from "./context.ts";
import { type HonestRate, Model, type Party } from "./model.ts";
import { observe } from "./observation.ts";
import { type Interval, posteriorOfRate, probabilityOfDeviant } from "./rate.ts";
import { samplePaths } from "./sample.ts";

export type { Interval } from "./rate.ts";

/** What is believed before anything is seen. The defaults fit five to ten builders of the same packages. */
export interface EstimateOptions {
  /** How many operators there are; at least as many as the patterns have, which is the default. */
  readonly operators?: number;
  /** Prior probability that a given builder deviates. For a set it is shared out among all of the same size. Default 0.05. */
  readonly deviantPrior?: number;
  /** Share of the reproducible paths on which an honest builder differs alone, on average. Default 0.0001, or what most do. */
  readonly honestRate?: number;
  /** Share from which on a builder is called deviant. Default 0.0004; more in proportion where the honest differ more often. */
  readonly deviantRate?: number;
  /** Probability from which on a builder is named. Default 0.95. */
  readonly nameFrom?: number;
  /** Patterns that are looked at; of more, a random part of the paths. Default 16,384. */
  readonly mostPatterns?: number;
}

/** Paths that speak against somebody: all those with this pattern in this context. */
export interface Evidence {
  readonly pattern: Pattern;
  readonly context: PackageContext;
  readonly paths: number;
  /** Probability that the suspects deviate on such a path, rather than that it is flaky or others deviate. */
  readonly probability: number;
}

/** A set of builders that shares deviating outputs; one builder alone, mostly. */
export interface Suspicion {
  /** By number, ascending. */
  readonly operators: readonly number[];
  /** Probability that they deviate more than honest builders do. */
  readonly probability: number;
  /** Share of reproducible paths, built by all of them, on which they deviate together. */
  readonly rate: Interval;
  /** Expected number of such paths. */
  readonly paths: number;
  /** What weighs most first, at most 20 patterns. */
  readonly evidence: readonly Evidence[];
}

/** What is known of a builder. */
export interface BuilderAssessment {
  readonly operator: number;
  /** Paths that it shares with another operator. Only these say anything of it. */
  readonly paths: number;
  /** Those of them that are reproducible, expected. */
  readonly reproduciblePaths: number;
  /** Share of reproducible paths that it built unlike the others, alone. */
  readonly deviation: Interval;
  /** Share of flaky paths where it is bound to differ from everybody: a broken clock, an unusual machine. */
  readonly oddness: Interval;
  /** Probability that it deviates, alone or with others. */
  readonly suspicion: number;
  /**
   * `suspect`: named, for the suspicion and for some paths that show it. `faithful`: it can be ruled out that it deviates at ten times the rate that counts as deviant.
   * `unclear`: neither; mostly too little history.
   */
  readonly verdict: "suspect" | "faithful" | "unclear";
}

/** See the head of this file. */
export interface Estimate {
  /** Every operator by number. */
  readonly builders: readonly BuilderAssessment[];
  /** Sets that deviate more probably than not, with paths to show for it; those with most first. */
  readonly suspicions: readonly Suspicion[];
  /** Share of reproducible ones among the paths that two operators or more have built. */
  readonly reproducible: Interval;
  /** Probability that a path is reproducible, if some path that was looked at has the same pattern and context, and two claims or more. */
  readonly reproducibility: (pattern: Pattern, context?: PackageContext) => number | undefined;
}

/** Times that suspects are told from honest builders anew, and steps of EM before each. */
const ROUNDS = 5;
const STEPS = 25;
/** How much honest rates differ between builders: shape of their gamma distribution. */
const HONEST_SHAPE = 3;
/** Honest builders share a deviation by chance only: the rate is this many times lower for each builder more. */
const SHARED_BY_CHANCE = 0.1;
/** That all builders deviate up to this many times more often than presumed is no reason to presume something else. */
const USUAL_TOLERANCE = 1.5;
/** A builder is faithful when its rate is certainly below this many times the deviant one. */
const FAITHFUL_BELOW = 10;
/** Probability and expected paths from which on a set is listed, so that whoever is named is seen with all that speaks against it. */
const LISTED_FROM = 0.5;
const LISTED_PATHS = 0.5;
const MAX_EVIDENCE = 20;
/** A few seconds' worth. */
const MOST_PATTERNS = 1 << 14;
/** Nobody is named without so many expected paths to show for it: with little data there are two ways to fit it. */
export const MIN_NAMED_PATHS = 3;
/** Nobody is named with a lower probability, unless the caller wants it. */
export const NAMED_FROM = 0.95;

/**
 * Estimates from counted patterns, best in the context of their packages (`countInContext`). The time it takes
 * grows with the number of patterns, not of paths, and is bounded. The same input gives the same result.
 */
export function estimate(patterns: Iterable<CountedPattern>, options: EstimateOptions = {}): Estimate {
  const given = [...patterns];
  const operators = given.reduce(
    (most, { pattern }) => Math.max(most, pattern.length),
    options.operators ?? 0,
  );
  const { deviantPrior = 0.05, honestRate = 1e-4, deviantRate = 4e-4, nameFrom = NAMED_FROM } = options;
  const sample = samplePaths(given, options.mostPatterns ?? MOST_PATTERNS);
  const model = new Model(observe(sample.patterns, operators), operators);
  let mean = honestRate;
  const honest = (size: number): HonestRate => ({
    mean: mean * SHARED_BY_CHANCE ** (size - 1),
    shape: HONEST_SHAPE,
  });
  for (let round = 1; round <= ROUNDS; round++) {
    for (let step = 0; step < STEPS; step++) model.step(honest);
    mean = Math.max(honestRate, usualRate(model, honestRate) / USUAL_TOLERANCE);
    for (const party of model.parties) {
      const size = party.operators.length;
      const evidence = model.evidence(party);
      party.probability = probabilityOfDeviant(evidence, {
        honest: honest(size),
        deviantFrom: (deviantRate / honestRate) * mean,
        deviantPrior: deviantPrior / choose(operators - 1, size - 1),
      });
      // From a rate near 0 EM would take hundreds of steps to one that fits what was just found.
      if (round < ROUNDS && party.probability > LISTED_FROM) party.rate = posteriorOfRate(evidence).mean;
    }
  }

  const reproducible = new Map(
    model.assessed().map(({ seen, reproducible }) => [`${seen.context} ${seen.pattern}`, reproducible]),
  );
  const suspicions = model.parties
    .filter((party) => party.probability >= LISTED_FROM && party.lies >= LISTED_PATHS)
    .sort((a, b) => b.lies - a.lies)
    .map((party) => suspicion(model, party));
  const builders = Array.from({ length: operators }, (_, operator) =>
    assess(model, operator, { deviantRate, nameFrom }),
  );
  const { share } = sample;
  return {
    builders: builders.map((each) => ({
      ...each,
      paths: Math.round(each.paths / share),
      reproduciblePaths: each.reproduciblePaths / share,
    })),
    suspicions: suspicions.map((each) => ({ ...each, paths: each.paths / share })),
    reproducible: model.reproducibleShare(),
    reproducibility: (pattern, context = "unknown") => reproducible.get(`${context} ${pattern}`),
  };
}

/**
 * The rate at which builders deviate in this world, if they all do: that of the middle one, and more than half are honest.
 * Where everybody differs now and then, for the packages are more flaky than the model can tell, nobody stands out by it.
 */
function usualRate(model: Model, honestRate: number): number {
  const rates = model.parties
    .slice(0, model.operators)
    .map(({ lies, exposure }) => (lies + HONEST_SHAPE) / (exposure + HONEST_SHAPE / honestRate))
    .sort((a, b) => a - b);
  return rates[Math.floor((rates.length - 1) / 2)] ?? honestRate;
}

function choose(from: number, size: number): number {
  let ways = 1;
  for (let i = 0; i < size; i++) ways *= (from - i) / (i + 1);
  return ways;
}

function suspicion(model: Model, party: Party): Suspicion {
  const { operators, probability, lies } = party;
  const evidence = model
    .sightingsOf(party)
    .map(({ seen: { pattern, context, paths }, probability }) => ({ pattern, context, paths, probability }))
    .sort((a, b) => b.probability * b.paths - a.probability * a.paths)
    .slice(0, MAX_EVIDENCE);
  return { operators, probability, rate: posteriorOfRate(model.evidence(party)), paths: lies, evidence };
}

function assess(
  model: Model,
  operator: number,
  { deviantRate, nameFrom }: { readonly deviantRate: number; readonly nameFrom: number },
): BuilderAssessment {
  const alone = model.parties[operator]!;
  const deviation = posteriorOfRate(model.evidence(alone));
  const parties = model.parties.filter(({ operators }) => operators.includes(operator));
  const honest = parties.reduce((product, party) => product * (1 - party.probability), 1);
  const lies = parties.reduce((sum, party) => sum + party.probability * party.lies, 0);
  let verdict: BuilderAssessment["verdict"] = "unclear";
  if (1 - honest >= nameFrom && lies >= MIN_NAMED_PATHS) verdict = "suspect";
  else if (deviation.high < FAITHFUL_BELOW * deviantRate) verdict = "faithful";
  return {
    operator,
    paths: model.pathsOf(operator),
    reproduciblePaths: alone.exposure,
    deviation,
    oddness: posteriorOfRate(model.oddnessEvidence(operator)),
    suspicion: 1 - honest,
    verdict,
  };
}
