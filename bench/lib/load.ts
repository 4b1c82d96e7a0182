// Load on HTTP servers with wrk: several servers in turns, so that what else the machine does meets all of them.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What one run of wrk found. */
export interface Load {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** Of the server, a request: what other load on the machine distorts least. */
  readonly cpuMicroseconds: number;
}

/** A server process, and what it is asked for. */
export interface Target {
  readonly pid: number;
  readonly url: string;
}

/** Median, lowest and highest. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** CPU seconds that a process has used. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * Runs wrk with one thread.
 * @param args further arguments of wrk: connections (`-c25`), time (`-d5s`), a script
 * @throws when an answer was an error
 */
function measureLoad(wrk: string, { pid, url }: Target, args: readonly string[]): Load {
  const cpu = cpuSeconds(pid);
  const { stdout } = spawnSync(wrk, ["-t1", "--latency", ...args, url], { encoding: "utf8" });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const [, value, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p99Ms: Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"],
    cpuMicroseconds: ((cpuSeconds(pid) - cpu) / requests) * 1e6,
  };
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, lowest: sorted[0]!, highest: sorted.at(-1)! };
}

/** `0.71 (0.65 to 0.80)`. */
export const formatSpread = ({ median, lowest, highest }: Spread, digits = 2): string =>
  `${median.toFixed(digits)} (${lowest.toFixed(digits)} to ${highest.toFixed(digits)})`;

/**
 * Loads servers one after the other, again and again, after one second each to warm up.
 * @returns for each server one load a round, so that rounds can be compared
 */
export function loadInTurns<K extends string>(
  wrk: string,
  targets: Readonly<Record<K, Target>>,
  {
    rounds,
    seconds,
    args,
  }: { readonly rounds: number; readonly seconds: number; readonly args: readonly string[] },
): Record<K, Load[]> {
  const names = Object.keys(targets) as K[];
  const loads = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, Load[]>;
  for (const name of names) measureLoad(wrk, targets[name], [...args, "-d1s"]);
  for (let round = 0; round < rounds; round++) {
    for (const name of names) loads[name].push(measureLoad(wrk, targets[name], [...args, `-d${seconds}s`]));
  }
  return loads;
}

/** How one server did against another, round by round. */
export function ratios(
  ours: readonly Load[],
  theirs: readonly Load[],
  figure: keyof Load = "perSecond",
): Spread {
  return spreadOf(ours.map((load, round) => load[figure] / theirs[round]![figure]));
}

export const spreadOfLoads = (loads: readonly Load[], figure: keyof Load): Spread =>
  spreadOf(loads.map((load) => load[figure]));
