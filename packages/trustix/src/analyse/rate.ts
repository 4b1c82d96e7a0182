// What is known of one rate, by integrating over it: exact but for the grid, where conjugate formulas do not apply because
// each event may have another cause.

/** Mean and central 95 % of a posterior distribution. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** `paths` observations, each of probability `constant + slope * rate`. */
export interface Affine {
  readonly paths: number;
  readonly constant: number;
  readonly slope: number;
}

/** What was seen of a rate: events that it may have caused, and how often it could have caused one. */
export interface RateEvidence {
  readonly events: readonly Affine[];
  /** Occasions, those of `events` included or not: they are few. */
  readonly exposure: number;
}

const POINTS = 100;
const LOWEST = Math.log(1e-9);
const HIGHEST = Math.log(0.999_999);
/** Points this much below the top (natural logarithm) are not worth looking at. */
const NEGLIGIBLE = 25;

interface Integral extends Interval {
  readonly logTotal: number;
}

/** Integrates over the logarithm of the rate: once to find where the mass is, and then there. */
function integrate(logDensity: (rate: number) => number, from: number, to: number): Integral {
  let [start, end] = [from, to];
  for (let pass = 0; ; pass++) {
    const step = (end - start) / (POINTS - 1);
    const values = Float64Array.from({ length: POINTS }, (_, i) => {
      const at = start + i * step;
      return logDensity(Math.exp(at)) + at;
    });
    const top = values.reduce((a, b) => Math.max(a, b));
    if (pass < 2) {
      const first = values.findIndex((value) => value > top - NEGLIGIBLE);
      const last = values.findLastIndex((value) => value > top - NEGLIGIBLE);
      [start, end] = [start + Math.max(0, first - 1) * step, start + Math.min(POINTS - 1, last + 1) * step];
      continue;
    }
    let total = 0;
    let sum = 0;
    values.forEach((value, i) => {
      const mass = Math.exp(value - top);
      total += mass;
      sum += mass * Math.exp(start + i * step);
    });
    const quantile = (share: number): number => {
      let below = 0;
      const i = values.findIndex((value) => {
        below += Math.exp(value - top);
        return below >= share * total;
      });
      return Math.exp(start + i * step);
    };
    return {
      logTotal: top + Math.log(total * step),
      mean: sum / total,
      low: quantile(0.025),
      high: quantile(0.975),
    };
  }
}

function logLikelihood({ events, exposure }: RateEvidence, rate: number): number {
  let sum = exposure * Math.log1p(-rate);
  for (const { paths, constant, slope } of events) sum += paths * Math.log(constant + slope * rate);
  return sum;
}

/** The rate, by its own record only (Jeffreys' prior). */
export function posteriorOfRate(evidence: RateEvidence): Interval {
  const { mean, low, high } = integrate(
    (rate) => logLikelihood(evidence, rate) - 0.5 * Math.log(rate) - 0.5 * Math.log1p(-rate),
    LOWEST,
    HIGHEST,
  );
  return { mean, low, high };
}

/** Two kinds of rate to tell apart. */
export interface RateKinds {
  /** Honest ones are gamma distributed. */
  readonly honest: { readonly mean: number; readonly shape: number };
  /** Deviant ones are anything from here to 1, equally likely in each order of magnitude. */
  readonly deviantFrom: number;
  /** Probability of a deviant one before anything is seen. */
  readonly deviantPrior: number;
}

/** Probability that a rate is a deviant one. */
export function probabilityOfDeviant(evidence: RateEvidence, kinds: RateKinds): number {
  const { deviantFrom, deviantPrior } = kinds;
  const { mean, shape } = kinds.honest;
  const scale = shape / mean;
  const honest = integrate(
    (rate) => logLikelihood(evidence, rate) + (shape - 1) * Math.log(rate) - scale * rate,
    LOWEST,
    HIGHEST,
  );
  const logNorm = shape * Math.log(scale) - logGamma(shape);
  const start = Math.log(deviantFrom);
  const deviant = integrate((rate) => logLikelihood(evidence, rate) - Math.log(rate), start, HIGHEST);
  const logOdds =
    Math.log(deviantPrior / (1 - deviantPrior)) +
    deviant.logTotal -
    Math.log(HIGHEST - start) -
    (honest.logTotal + logNorm);
  return 1 / (1 + Math.exp(-logOdds));
}

/** Logarithm of the factorial of `value - 1`, for a whole number. */
function logGamma(value: number): number {
  let sum = 0;
  for (let factor = 2; factor < value; factor++) sum += Math.log(factor);
  return sum;
}
