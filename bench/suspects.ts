// How well the estimate tells liars from honest builders: precision and recall over simulated networks, as Markdown.
//
//     node --conditions=@trustix/source bench/suspects.ts [--seeds 100] [--first 1000] [--world versions] [--json FILE]
//
// Seven builders, 50,000 paths, 15 % of the packages flaky; every builder has 95 % of the paths but for the new one with 1 %.
// Honest builders differ on reproducible packages too, each at a rate of its own around 1 in 20,000, but for some of the other worlds. Four worlds:
//
//   versions    Four paths a package (versions, systems), which show how flaky it is. On half of the flaky packages
//               builders may agree by chance.
//   one path    One path a package, so that nothing but the path itself tells. One flaky package in ten may agree by chance.
//   one path, many variants   The same with half of the flaky packages: a liar at 0.1 % is then about as rare as honest
//               builders that stand alone with the other of two variants, and no method can tell from this.
//
//   other       Worlds that the model was not made for: few builders, many builders, few paths, shared toolchains.
//
// "Lowest" and "highest" are the smallest probability that a liar got, and the largest that an honest builder got.
// Goal in the first: every liar named, no honest builder named.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { countInContext } from "trustix/src/analyse/context.ts";
import { estimate } from "trustix/src/analyse/estimate.ts";
import { otherWorlds, type Scenario, scenarios, simulate } from "trustix/src/analyse/simulate.test.util.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    first: { type: "string", default: "1000" },
    world: { type: "string" },
    json: { type: "string" },
  },
});
const seeds = Number(values.seeds);
const first = Number(values.first);
const worlds: Readonly<Record<string, () => Scenario[]>> = {
  versions: () => scenarios(),
  "one path": () => scenarios({ pathsPerPackage: 1, fewOutputs: 0.1 }),
  "one path, many variants": () => scenarios({ pathsPerPackage: 1 }),
  other: otherWorlds,
};

const rows = [];
console.log(`seeds ${first} to ${first + seeds - 1}\n`);
console.log("| world | scenario | liars named | lowest | honest named | highest | recall | precision | ms |");
console.log("|---|---|---:|---:|---:|---:|---:|---:|---:|");
for (const [name, scenariosOf] of Object.entries(worlds)) {
  if (values.world !== undefined && values.world !== name) continue;
  for (const { name: scenario, world, guilty } of scenariosOf()) {
    let [named, blamed, elapsedMs, lowest, highest] = [0, 0, 0, 1, 0];
    for (let seed = first; seed < first + seeds; seed++) {
      const counted = countInContext(simulate(world, seed));
      const start = performance.now();
      const { builders } = estimate(counted);
      elapsedMs += performance.now() - start;
      const suspects = builders.filter(({ verdict }) => verdict === "suspect");
      for (const { operator, suspicion } of builders) {
        if (guilty.includes(operator)) lowest = Math.min(lowest, suspicion);
        else highest = Math.max(highest, suspicion);
      }
      const right = suspects.filter(({ operator }) => guilty.includes(operator)).length;
      named += right;
      blamed += suspects.length - right;
    }
    const liars = guilty.length * seeds;
    const honest = (world.builders.length - guilty.length) * seeds;
    const recall = liars === 0 ? undefined : named / liars;
    const precision = named + blamed === 0 ? undefined : named / (named + blamed);
    const meanMs = elapsedMs / seeds;
    rows.push({
      world: name,
      scenario,
      liars,
      named,
      lowest,
      honest,
      blamed,
      highest,
      recall,
      precision,
      meanMs,
    });
    const columns = [
      name,
      scenario,
      liars === 0 ? "–" : `${named} of ${liars}`,
      liars === 0 ? "–" : lowest.toFixed(3),
      `${blamed} of ${honest}`,
      highest.toFixed(3),
      recall?.toFixed(3) ?? "–",
      precision?.toFixed(3) ?? "–",
      meanMs.toFixed(0),
    ];
    console.log(`| ${columns.join(" | ")} |`);
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
