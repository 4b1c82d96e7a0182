// Builders and packages made up by chance, with known liars, to see what the estimate makes of them.

import { formatPattern, type Pattern } from "./classify.ts";

/** A builder as it really is. Rates are shares of packages. */
export interface SimulatedBuilder {
  /** Lies: a wrong output, whatever the package is. */
  readonly lies?: number;
  /** Builders with the same name here lie on the same packages, with the same wrong output. */
  readonly ring?: string;
  /** Wherever time gets into the output it differs from everybody. */
  readonly brokenClock?: boolean;
  /** Lies about new paths only, which few have built. */
  readonly liesOnNew?: boolean;
  /** Builders with the same name here are honest, and on some of the flaky packages all have one output of their own. */
  readonly toolchain?: string;
  /** Share of the packages that it has built. Default 0.95. */
  readonly coverage?: number;
}

export interface SimulatedWorld {
  readonly paths: number;
  /** Versions and systems of each package: paths that are flaky in the same way. */
  readonly pathsPerPackage: number;
  /** Share of packages that are flaky. */
  readonly flaky: number;
  /**
   * Share of the flaky packages on which builders may agree by chance: half of these have two or three variants of uneven
   * frequency, half have the day of the build in them. The other flaky packages differ at every build.
   */
  readonly fewOutputs: number;
  /** Mean rate at which an honest builder differs on a reproducible package. Each has its own, log-normal around it. */
  readonly stray: number;
  readonly builders: readonly SimulatedBuilder[];
  /** Share of paths that are new: of these each builder has built a few only. Default none. */
  readonly fresh?: number;
}

/** The number of the output that builders with the same toolchain have. */
const TOOLCHAIN_OUTPUT = -2000;
/** Share of the new paths that a builder has built. */
const FRESH_COVERAGE = 0.35;
/** Share of the flaky packages on which builders with the same toolchain agree. */
const TOOLCHAIN_SHARE = 0.3;

/** Numbers from 0 to 1, exclusive: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Shares of the builds of a week that fall on one day, as seen by those who follow a channel. */
const DAYS = [0.5, 0.25, 0.15, 0.1];
/** Spread of honest stray rates, standard deviation of the logarithm. */
const STRAY_SPREAD = 0.5;

/** What the builders of a world claim of each path. The same seed gives the same world. */
export function simulate(world: SimulatedWorld, seed: number): { pattern: Pattern; name: string }[] {
  const random = randomFrom(seed);
  const { builders } = world;
  const strays = builders.map(() => world.stray * Math.exp(STRAY_SPREAD * normal(random)));
  const rings = [...new Set(builders.map((builder) => builder.ring).filter((ring) => ring !== undefined))];
  const paths: { pattern: Pattern; name: string }[] = [];
  const voices: (number | undefined)[] = [];
  let draw = outputs(random, world, false);
  for (let path = 0; path < world.paths; path++) {
    if (path % world.pathsPerPackage === 0) draw = outputs(random, world, random() < world.flaky);
    const isFresh = world.fresh !== undefined && random() < world.fresh;
    const ringLies = new Map(
      rings.map((ring) => [ring, random() < builders.find((each) => each.ring === ring)!.lies!]),
    );
    builders.forEach((builder, i) => {
      // A number of its own for an output that nobody else has, and one for each ring.
      const own = -1 - i;
      let honest = draw.timed && builder.brokenClock === true ? own : draw.next(own);
      if (builder.toolchain !== undefined && draw.differsByToolchain) honest = TOOLCHAIN_OUTPUT;
      const strayed = draw.fixed && random() < strays[i]! ? own : honest;
      const ring = builder.ring;
      const may = isFresh || builder.liesOnNew !== true;
      const lie = may && (ring === undefined ? random() < (builder.lies ?? 0) : ringLies.get(ring) === true);
      const output = lie ? (ring === undefined ? own : -1000 - rings.indexOf(ring)) : strayed;
      const coverage = Math.min(builder.coverage ?? 0.95, isFresh ? FRESH_COVERAGE : 1);
      voices[i] = random() < coverage ? output : undefined;
    });
    paths.push({ pattern: formatPattern(voices), name: String(Math.floor(path / world.pathsPerPackage)) });
  }
  return paths;
}

interface Outputs {
  readonly fixed: boolean;
  readonly timed: boolean;
  readonly differsByToolchain: boolean;
  /** The next build's output; `own` when it is like no other. */
  next(own: number): number;
}

function outputs(random: () => number, { builders, fewOutputs }: SimulatedWorld, flaky: boolean): Outputs {
  if (!flaky) return { fixed: true, timed: false, differsByToolchain: false, next: () => 0 };
  const differsByToolchain =
    builders.some(({ toolchain }) => toolchain !== undefined) && random() < TOOLCHAIN_SHARE;
  const kind = random();
  if (kind >= fewOutputs) {
    return { fixed: false, timed: random() < 0.5, differsByToolchain, next: (own) => own };
  }
  if (kind >= fewOutputs / 2) {
    return { fixed: false, timed: true, differsByToolchain, next: () => pick(random, DAYS) };
  }
  const weights = Array.from({ length: random() < 0.6 ? 2 : 3 }, () => -Math.log(1 - random()));
  const sum = weights.reduce((a, b) => a + b);
  const shares = weights.map((weight) => weight / sum);
  return { fixed: false, timed: false, differsByToolchain, next: () => pick(random, shares) };
}

function pick(random: () => number, shares: readonly number[]): number {
  let rest = random();
  const found = shares.findIndex((share) => {
    rest -= share;
    return rest < 0;
  });
  return found < 0 ? 0 : found;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A world, and the builders in it that must be named. */
export interface Scenario {
  readonly name: string;
  readonly world: SimulatedWorld;
  readonly guilty: readonly number[];
}

/** What a network of seven builders may meet, 15 % of the packages being flaky. */
export function scenarios(
  options: Partial<Pick<SimulatedWorld, "paths" | "pathsPerPackage" | "fewOutputs">> = {},
): Scenario[] {
  const scene = (name: string, special: readonly SimulatedBuilder[]): Scenario => ({
    name,
    world: {
      paths: 50_000,
      pathsPerPackage: 4,
      flaky: 0.15,
      fewOutputs: 0.5,
      stray: 5e-5,
      builders: Array.from({ length: 7 }, (_, i) => special[i] ?? {}),
      ...options,
    },
    guilty: special.flatMap((builder, i) => (builder.lies === undefined ? [] : [i])),
  });
  const clock = { brokenClock: true };
  const fresh = { coverage: 0.01 };
  return [
    scene("nobody lies", []),
    scene("liar at 0.1 %", [{ lies: 0.001 }]),
    scene("liar at 1 %", [{ lies: 0.01 }]),
    scene("liar at 10 %", [{ lies: 0.1 }]),
    scene("two colluders at 0.1 %", [
      { lies: 0.001, ring: "x" },
      { lies: 0.001, ring: "x" },
    ]),
    scene("two colluders at 1 %", [
      { lies: 0.01, ring: "x" },
      { lies: 0.01, ring: "x" },
    ]),
    scene("broken clock", [clock]),
    scene("new builder", [fresh]),
    scene("liar at 0.1 %, broken clock, new builder", [{ lies: 0.001 }, clock, fresh]),
    scene("liars at 0.1 %, 1 % and 10 %", [{ lies: 0.001 }, { lies: 0.01 }, { lies: 0.1 }]),
  ];
}

/** Worlds that the model was not made for. Liars need not be found there; honest builders must not be named. */
export function otherWorlds(): Scenario[] {
  const scene = (
    name: string,
    builders: readonly SimulatedBuilder[],
    options: Partial<SimulatedWorld> = {},
  ): Scenario => ({
    name,
    world: {
      paths: 50_000,
      pathsPerPackage: 4,
      flaky: 0.15,
      fewOutputs: 0.5,
      stray: 5e-5,
      builders,
      ...options,
    },
    guilty: builders.flatMap((builder, i) => (builder.lies === undefined ? [] : [i])),
  });
  const honest = (count: number): SimulatedBuilder[] => Array.from({ length: count }, () => ({}));
  const liar = { lies: 0.01 };
  const gcc = { toolchain: "gcc" };
  return [
    scene("3 builders, nobody lies", honest(3)),
    scene("3 builders, liar at 1 %", [liar, ...honest(2)]),
    scene("4 builders, nobody lies", honest(4)),
    scene("4 builders, liar at 0.1 %", [{ lies: 0.001 }, ...honest(3)]),
    scene("4 builders, liar at 1 %", [liar, ...honest(3)]),
    scene("4 builders, broken clock", [{ brokenClock: true }, ...honest(3)]),
    scene("20 builders, nobody lies", honest(20), { paths: 20_000 }),
    scene("20 builders, liar at 0.1 %", [{ lies: 0.001 }, ...honest(19)], { paths: 20_000 }),
    scene("liar on new paths only", [{ lies: 0.02, liesOnNew: true }, ...honest(6)], { fresh: 0.1 }),
    scene("nobody lies, many new paths", honest(7), { fresh: 0.3 }),
    scene("two share a toolchain", [gcc, gcc, ...honest(5)]),
    scene("two share a toolchain, one path a package", [gcc, gcc, ...honest(5)], { pathsPerPackage: 1 }),
    scene("two share a toolchain, 4 builders", [gcc, gcc, ...honest(2)]),
    scene("half of all packages are flaky", honest(7), { flaky: 0.5 }),
    scene("nearly nothing is flaky", honest(7), { flaky: 0.01 }),
    scene("honest builders stray ten times as often", honest(7), { stray: 5e-4 }),
    ...[10, 30, 100, 300, 1000, 3000].flatMap((paths) => [
      scene(`${paths} paths, nobody lies`, honest(7), { paths }),
      scene(`${paths} paths, 4 builders, nobody lies`, honest(4), { paths }),
      scene(`${paths} paths, liar at 10 %`, [{ lies: 0.1 }, ...honest(6)], { paths }),
    ]),
  ];
}
