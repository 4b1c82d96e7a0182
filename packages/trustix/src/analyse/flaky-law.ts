// How the builds of a flaky package fall into groups: an exchangeable law, the same for every builder.
//
// A mixture over the kinds of flakiness gives each shape a probability, also shapes never seen. What is seen of a shape then
// corrects it, so that no misfit of the kinds is left over for somebody to be blamed for. Nothing is learned from builders
// that all agree, because there the reproducible packages are: how often they agree on a flaky one follows from the kinds.

import { FLAKY_KINDS, partitionProbability, type Shape } from "./observation.ts";

/** The belief in the mixture, in paths, for each number of builders. */
const MIXTURE_PATHS = 100;

const LEAST = 1e-290;

interface ShapeState {
  readonly shape: Shape;
  /** Expected paths, this step. */
  paths: number;
  probability: number;
}

/** See the head of this file. */
export class FlakyLaw {
  readonly #states: ReadonlyMap<Shape, ShapeState>;
  /** For each number of builders, the probability of their agreeing under each kind. */
  readonly #agreeing: ReadonlyMap<number, Float64Array>;
  /** Share of each kind; together 1. */
  #kinds = new Float64Array(FLAKY_KINDS.length).fill(1 / FLAKY_KINDS.length);

  constructor(shapes: Iterable<Shape>) {
    const all = [...new Set(shapes)];
    this.#states = new Map(
      all.map((shape) => [shape, { shape, paths: 0, probability: this.#mix(shape.byKind) }]),
    );
    this.#agreeing = new Map(
      all.map(({ builders }) => [
        builders,
        Float64Array.from(FLAKY_KINDS, (kind) => partitionProbability([builders], kind)),
      ]),
    );
  }

  /** Probability of each partition of this shape. Never 0: of hundreds of builders there are more than numbers can tell apart. */
  probability(shape: Shape): number {
    return Math.max(LEAST, this.#states.get(shape)!.probability);
  }

  /** Counts paths, which may be a fraction, for the next `update`. */
  add(shape: Shape, paths: number): void {
    this.#states.get(shape)!.paths += paths;
  }

  /** What each kind is worth as a belief of so many paths in this law. */
  belief(paths: number): Float64Array {
    return this.#kinds.map((share) => share * paths);
  }

  /** Fits the law to what was added, and forgets it. `belief` are paths of each kind that are taken as seen. */
  update(belief: Float64Array): void {
    const kinds = belief.slice();
    const seen = new Map<number, number>();
    for (const { shape, paths } of this.#states.values()) {
      const total = this.#mix(shape.byKind);
      if (shape.sizes.length === 1) continue;
      seen.set(shape.builders, (seen.get(shape.builders) ?? 0) + paths);
      if (total === 0) continue;
      const agreeing = this.#agreeing.get(shape.builders)!;
      for (let kind = 0; kind < kinds.length; kind++) {
        // Paths of this kind on which all agree are missing here, in a proportion that is known.
        const share = (this.#kinds[kind]! * shape.byKind[kind]!) / total;
        kinds[kind]! += (paths * share) / (1 - agreeing[kind]!);
      }
    }
    const sum = kinds.reduce((a, b) => a + b);
    this.#kinds = kinds.map((each) => each / sum);
    for (const state of this.#states.values()) {
      const { shape, paths } = state;
      state.probability = this.#mix(shape.byKind);
      state.paths = 0;
      if (shape.sizes.length === 1) continue;
      const disagreeing = 1 - this.#mix(this.#agreeing.get(shape.builders)!);
      state.probability =
        (MIXTURE_PATHS * state.probability + (disagreeing * paths) / shape.partitions) /
        (MIXTURE_PATHS + seen.get(shape.builders)!);
    }
  }

  #mix(byKind: Float64Array): number {
    return byKind.reduce((sum, probability, kind) => sum + probability * this.#kinds[kind]!, 0);
  }
}
