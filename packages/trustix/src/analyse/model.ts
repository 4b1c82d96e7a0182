// The latent-class model of `estimate.ts`, and its EM steps.

import type { PackageContext } from "./context.ts";
import { FlakyLaw } from "./flaky-law.ts";
import { FLAKY_KINDS, MAX_COLLUDERS, type Observation, type Shape } from "./observation.ts";
import type { Interval, RateEvidence } from "./rate.ts";

/** A builder, or a set of builders that may deviate together. */
export interface Party {
  readonly operators: readonly number[];
  /** Share of the reproducible paths on which it deviates. */
  rate: number;
  /** Expected paths on which it deviates, and on which it could. */
  lies: number;
  exposure: number;
  /** Share of the flaky paths on which it has an output that nobody else has. */
  oddness: number;
  /** Expected flaky paths on which it is odd, and on which it could be. */
  oddPaths: number;
  flakyPaths: number;
  /** Probability that it is no honest one; the caller's to set. */
  probability: number;
  /** Indices of the presence sets that all of it is in. */
  readonly presences: readonly number[];
  readonly sightings: readonly { readonly sighting: Sighting; readonly explanations: readonly number[] }[];
}

/** Paths of one context: they have their own share of flaky ones, and their own kinds of flakiness. */
interface Stratum {
  readonly paths: number;
  /** Share of reproducible paths. */
  share: number;
  /** Expected reproducible paths. */
  reproducible: number;
  readonly law: FlakyLaw;
  /** The law of the others where one is odd: not the same, since whatever makes it odd has its kinds of flakiness. */
  readonly restLaw: FlakyLaw;
}

interface Apart {
  readonly party: Party;
  readonly rest: Shape;
  /** Probability that the party is odd and the others fall as they do, of the last step. */
  part: number;
}

interface Sighting {
  readonly seen: Observation;
  readonly stratum: Stratum;
  /** Index of its presence set. */
  readonly presence: number;
  /** As its `explanations`, by party. */
  readonly explanations: readonly (readonly Party[])[];
  /** Of the last step, for one path: probability of the pattern, and the parts of it by explanation and by kind of flakiness. */
  total: number;
  readonly deviating: Float64Array;
  flaky: number;
  readonly apart: readonly Apart[];
}

/** Rates of honest parties, gamma distributed. */
export interface HonestRate {
  readonly mean: number;
  readonly shape: number;
}

/**
 * A builder's oddness before anything is seen, and the number of flaky paths that this belief is worth. That several share
 * what makes them odd, a toolchain say, is rarer, and there are many sets.
 */
const ODDNESS_PRIOR = { rate: 0.01, sharedRate: 1e-4, paths: 50 };
/** The belief, in paths, that the others behave as usual where one is odd. */
const REST_PATHS = 50;
/** No more of the flaky paths than this may be put down to odd builders. */
const MOST_ODD = 0.95;
/** Sets of two and more that are looked at: those seen apart on most paths, and on so many at least. */
const MAX_COALITIONS = 500;
const MIN_COALITION_PATHS = 3;
/** Rates stay above this, so that parts of a sum can be divided by them. */
const NEVER = 1e-12;
/** Likelihood ratios closer to each other than this (natural logarithm) are one. */
const RATIO_STEP = 0.05;

/** See the head of this file. */
export class Model {
  readonly operators: number;
  /** One for each operator by number, then sets of two and more. */
  readonly parties: readonly Party[];
  /** Sets of operators that have claims about the same path. */
  readonly presences: readonly (readonly number[])[];
  /** Expected reproducible paths for each presence set. */
  readonly reproducible: Float64Array;
  /** Presence sets of so few that they may be of one mind. */
  readonly #small: readonly number[];
  readonly #sightings: readonly Sighting[];
  readonly #strata: ReadonlyMap<PackageContext, Stratum>;
  /** Expected flaky paths for each presence set. */
  readonly #flaky: Float64Array;

  constructor(observations: readonly Observation[], operators: number) {
    this.operators = operators;
    const byContext = Map.groupBy(observations, ({ context }) => context);
    this.#strata = new Map(Array.from(byContext, ([context, own]) => [context, newStratum(own)]));
    const presences = new Map<string, { readonly index: number; readonly present: readonly number[] }>();
    const presenceOf = observations.map(({ present }) => {
      const key = present.join();
      const found = presences.get(key) ?? { index: presences.size, present };
      presences.set(key, found);
      return found.index;
    });
    this.presences = [...presences.values()].map(({ present }) => present);
    this.#small = this.presences.flatMap(({ length }, i) => (length <= MAX_COLLUDERS ? [i] : []));
    this.reproducible = new Float64Array(this.presences.length);
    this.#flaky = new Float64Array(this.presences.length);
    const parties = new Map(
      partiesOf(observations, operators).map((members) => [members.join(), this.#party(members)]),
    );
    this.parties = [...parties.values()];
    this.#sightings = observations.map((seen, i) => {
      const explanations = seen.explanations
        .map((sets) => sets.map((set) => parties.get(set.join())))
        .filter((sets) => sets.every((party) => party !== undefined));
      const sighting: Sighting = {
        seen,
        stratum: this.#strata.get(seen.context)!,
        presence: presenceOf[i]!,
        explanations,
        total: 0,
        deviating: new Float64Array(explanations.length),
        flaky: 0,
        apart: seen.apart.flatMap(({ members, rest }) => {
          const party = parties.get(members.join());
          return party === undefined ? [] : [{ party, rest, part: 0 }];
        }),
      };
      for (const party of new Set(explanations.flat())) {
        const own = explanations.flatMap((sets, index) => (sets.includes(party) ? [index] : []));
        party.sightings.push({ sighting, explanations: own });
      }
      return sighting;
    });
  }

  #party(operators: readonly number[]): Party & { readonly sightings: Party["sightings"][number][] } {
    const presences = this.presences.flatMap((present, i) =>
      operators.every((operator) => present.includes(operator)) ? [i] : [],
    );
    const oddness = priorOddness(operators);
    return {
      operators,
      rate: 1e-4,
      lies: 0,
      exposure: 0,
      oddness,
      oddPaths: 0,
      flakyPaths: 0,
      probability: 0,
      presences,
      sightings: [],
    };
  }

  /**
   * One step of EM. Rates of parties are drawn towards the honest ones, the less the more probably a party deviates.
   */
  step(honest: (size: number) => HonestRate): void {
    this.#expect();
    for (const stratum of this.#strata.values()) {
      stratum.law.update(new Float64Array(FLAKY_KINDS.length).fill(1));
      stratum.restLaw.update(stratum.law.belief(REST_PATHS));
      stratum.share = (1 + stratum.reproducible) / (2 + stratum.paths);
    }
    for (const party of this.parties) {
      party.oddness =
        (priorOddness(party.operators) * ODDNESS_PRIOR.paths + party.oddPaths) /
        (ODDNESS_PRIOR.paths + party.flakyPaths);
      const { mean, shape } = honest(party.operators.length);
      const belief = (1 - party.probability) * shape;
      const rate = (party.lies + belief) / (party.exposure + belief / mean + 1);
      party.rate = Math.min(0.9, Math.max(NEVER, rate));
    }
  }

  /** Shares out every path among its causes. */
  #expect(): void {
    this.reproducible.fill(0);
    this.#flaky.fill(0);
    const oddPresent = new Float64Array(this.presences.length);
    for (const party of this.parties) {
      party.lies = 0;
      party.oddPaths = 0;
      for (const presence of party.presences) oddPresent[presence]! += party.oddness;
    }
    for (const stratum of this.#strata.values()) stratum.reproducible = 0;
    const faithful = this.#faithful();
    for (const sighting of this.#sightings) {
      const { seen, stratum, presence, explanations, deviating, apart } = sighting;
      const { share, law, restLaw } = stratum;
      let reproducible = 0;
      for (let i = 0; i < explanations.length; i++) {
        let part = share * faithful[presence]!;
        for (const party of explanations[i]!) part *= party.rate;
        deviating[i] = part;
        reproducible += part;
      }
      const ordinary =
        (1 - share) * (1 - Math.min(MOST_ODD, oddPresent[presence]!)) * law.probability(seen.shape);
      sighting.flaky = ordinary;
      for (const each of apart) {
        each.part = (1 - share) * each.party.oddness * restLaw.probability(each.rest);
        sighting.flaky += each.part;
      }
      sighting.total = reproducible + sighting.flaky;
      const weight = seen.paths / sighting.total;
      this.reproducible[presence]! += weight * reproducible;
      stratum.reproducible += weight * reproducible;
      for (let i = 0; i < explanations.length; i++) {
        for (const party of explanations[i]!) party.lies += weight * deviating[i]!;
      }
      law.add(seen.shape, weight * ordinary);
      this.#flaky[presence]! += weight * sighting.flaky;
      for (const { party, rest, part } of apart) {
        restLaw.add(rest, weight * part);
        party.oddPaths += weight * part;
      }
    }
    for (const party of this.parties) {
      party.exposure = party.presences.reduce((sum, presence) => sum + this.reproducible[presence]!, 0);
      party.flakyPaths = party.presences.reduce((sum, presence) => sum + this.#flaky[presence]!, 0);
    }
  }

  /** Probability that nobody who is present deviates, for each presence set. */
  #faithful(): Float64Array {
    const each = new Float64Array(this.operators).fill(1);
    for (const { operators, rate } of this.parties) {
      for (const operator of operators) each[operator]! *= 1 - rate / operators.length;
    }
    return Float64Array.from(this.presences, (present) =>
      present.reduce((product, operator) => product * each[operator]!, 1),
    );
  }

  /**
   * What was seen of a party's rate by others: paths that it and its helpers may have made up among themselves say nothing,
   * and where it stands against as many nobody can tell who is right.
   */
  evidence(party: Party): RateEvidence {
    const counted = new CountedRatios();
    const madeUp = this.#madeUp(party);
    const size = party.operators.length;
    let lies = 0;
    for (const { sighting, explanations } of party.sightings) {
      if (madeUp.has(sighting.presence)) continue;
      const own = explanations.reduce(
        (sum, i) => sum + (rightOf(sighting, i) > size ? sighting.deviating[i]! : 0),
        0,
      );
      if (own === 0) continue;
      counted.add(sighting.seen.paths, sighting.total - own, own / party.rate);
      lies += (sighting.seen.paths * own) / sighting.total;
    }
    let exposure = party.exposure - lies;
    for (const presence of madeUp) exposure -= this.reproducible[presence]!;
    return { events: counted.events(), exposure: Math.max(0, exposure) };
  }

  /**
   * The presence sets that lie within those few whom most paths of a party have been built by and by nobody else: statements
   * cost nothing, and a million of them about paths that nobody else has would make any lie rare.
   */
  #madeUp({ operators }: Party): ReadonlySet<number> {
    const helpers = Math.min(MAX_COLLUDERS, Math.ceil(this.operators / 2) - 1) - operators.length;
    const alone: number[] = [];
    const by = new Map<string, { readonly others: readonly number[]; readonly index: number }>();
    for (const index of this.#small) {
      const present = this.presences[index]!;
      const others = present.filter((each) => !operators.includes(each));
      if (others.length + operators.length !== present.length) continue;
      if (others.length === 0) alone.push(index);
      else if (others.length <= helpers) by.set(others.join(), { others, index });
    }
    const pathsOf = (found: { readonly index: number } | undefined): number =>
      found === undefined ? 0 : this.reproducible[found.index]!;
    const within = (others: readonly number[]) =>
      [others.join(), ...(others.length > 1 ? others.map(String) : [])].flatMap((key) => by.get(key) ?? []);
    const single = [...by.values()]
      .filter(({ others }) => others.length === 1)
      .sort((a, b) => pathsOf(b) - pathsOf(a));
    const sets = [...by.values()].map(({ others }) => others);
    if (helpers > 1)
      sets.push(
        single
          .slice(0, 2)
          .flatMap(({ others }) => others)
          .sort((a, b) => a - b),
      );
    let most: { readonly paths: number; readonly indices: readonly number[] } = { paths: 0, indices: [] };
    for (const others of sets) {
      const found = within(others);
      const paths = found.reduce((sum, each) => sum + pathsOf(each), 0);
      if (paths > most.paths) most = { paths, indices: found.map(({ index }) => index) };
    }
    return new Set([...alone, ...most.indices]);
  }

  /** What was seen of an operator's oddness. */
  oddnessEvidence(operator: number): RateEvidence {
    const alone = this.parties[operator]!;
    const counted = new CountedRatios();
    for (const { seen, total, apart } of this.#sightings) {
      for (const { party, part } of apart) {
        if (party === alone) counted.add(seen.paths, total - part, part / alone.oddness);
      }
    }
    return { events: counted.events(), exposure: Math.max(0, alone.flakyPaths - alone.oddPaths) };
  }

  /**
   * Share of reproducible paths among those with two claims or more. Its variance is that of a share, over the information that
   * is left when the class of each path is not known but estimated (T. A. Louis, J. R. Stat. Soc. B 44 (1982), 226-233).
   */
  reproducibleShare(): Interval {
    let [paths, reproducible, uncertain] = [1, 0.5, 0];
    for (const { seen, total, flaky } of this.#sightings) {
      const probability = 1 - flaky / total;
      paths += seen.paths;
      reproducible += seen.paths * probability;
      uncertain += seen.paths * probability * (1 - probability);
    }
    const mean = reproducible / paths;
    const information = Math.max(1, (paths * mean * (1 - mean) - uncertain) / (mean * (1 - mean)));
    const spread = 1.96 * Math.sqrt((mean * (1 - mean)) / information);
    return { mean, low: Math.max(0, mean - spread), high: Math.min(1, mean + spread) };
  }

  /** Every observation, with the probability that such a path is reproducible. */
  assessed(): { readonly seen: Observation; readonly reproducible: number }[] {
    return this.#sightings.map(({ seen, total, flaky }) => ({ seen, reproducible: 1 - flaky / total }));
  }

  /** Paths that an operator shares with others. */
  pathsOf(operator: number): number {
    return this.#sightings
      .filter(({ seen }) => seen.present.includes(operator))
      .reduce((sum, { seen }) => sum + seen.paths, 0);
  }

  /** Where a party may have deviated, and how probably it did. */
  sightingsOf(party: Party): { readonly seen: Observation; readonly probability: number }[] {
    return party.sightings.map(({ sighting, explanations }) => ({
      seen: sighting.seen,
      probability: explanations.reduce((sum, i) => sum + sighting.deviating[i]!, 0) / sighting.total,
    }));
  }
}

/** How many have the right output, if an explanation is right. */
function rightOf({ seen, explanations }: Sighting, explanation: number): number {
  return explanations[explanation]!.reduce(
    (right, { operators }) => right - operators.length,
    seen.present.length,
  );
}

function priorOddness(operators: readonly number[]): number {
  return operators.length === 1 ? ODDNESS_PRIOR.rate : ODDNESS_PRIOR.sharedRate;
}

function newStratum(observations: readonly Observation[]): Stratum {
  return {
    paths: observations.reduce((sum, { paths }) => sum + paths, 0),
    share: 0.8,
    reproducible: 0,
    law: new FlakyLaw(observations.map(({ shape }) => shape)),
    restLaw: new FlakyLaw(observations.flatMap(({ apart }) => apart.map(({ rest }) => rest))),
  };
}

/** Every operator, then the sets of more that may have deviated, those seen on most paths first. */
function partiesOf(observations: readonly Observation[], operators: number): (readonly number[])[] {
  const coalitions = new Map<string, { readonly members: readonly number[]; paths: number }>();
  for (const { explanations, paths } of observations) {
    for (const members of explanations.flat()) {
      if (members.length < 2) continue;
      const key = members.join();
      const found = coalitions.get(key) ?? { members, paths: 0 };
      found.paths += paths;
      coalitions.set(key, found);
    }
  }
  const kept = [...coalitions.values()]
    .filter(({ paths }) => paths >= MIN_COALITION_PATHS)
    .sort((a, b) => b.paths - a.paths)
    .slice(0, MAX_COALITIONS);
  return [
    ...Array.from({ length: operators }, (_, operator) => [operator]),
    ...kept.map((each) => each.members),
  ];
}

/**
 * Events of probability `constant + slope * rate`, those of about equal ratio counted as one. Factors that do not depend on
 * the rate are dropped: they cancel wherever such evidence is used.
 */
class CountedRatios {
  readonly #counts = new Map<number, { paths: number; weighted: number }>();

  add(paths: number, constant: number, slope: number): void {
    const ratio = Math.max(NEVER, constant / slope);
    const key = Math.round(Math.log(ratio) / RATIO_STEP);
    const found = this.#counts.get(key) ?? { paths: 0, weighted: 0 };
    found.paths += paths;
    found.weighted += paths * ratio;
    this.#counts.set(key, found);
  }

  events(): RateEvidence["events"] {
    return [...this.#counts.values()].map(({ paths, weighted }) => ({
      paths,
      constant: weighted / paths,
      slope: 1,
    }));
  }
}
