// What the post-build hook adds to a build: time of the hook against that of a hook that does nothing.
//
//     node --conditions=@trustix/source bench/hook.ts [--json]
//
// The hooks run in turn, so that the machine's moods hit them alike. Goal: at most 5 ms more than the empty hook.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderHook } from "trustix/src/publish/hook.ts";

const rounds = 500;
const root = mkdtempSync(join(tmpdir(), "bench-hook-"));
const env = {
  DRV_PATH: "/nix/store/8xrhkqihdfmmqysvzdrcpq8bjyrz747s-hello-2.12.1.drv",
  OUT_PATHS:
    "/nix/store/lpm1sryiqjvaifg68xcf4lqf9mfzh8ra-hello-2.12.1 /nix/store/9p0imrsq62six0a3m4a6rv5r1fi7wjhd-hello-2.12.1-dev",
  // As long as what Nix 2.34 passes.
  NIX_CONFIG: "x".repeat(3400),
};

const hooks = {
  empty: "#!/bin/sh\nexit 0\n",
  trustix: renderHook({ spoolDir: root }),
  // What the hook would cost if it wrote elsewhere first and renamed: one process more.
  "trustix and mv": renderHook({ spoolDir: root }).replace(
    "exit 0",
    `mv "$file.$n" "$file.$n.moved"\nexit 0`,
  ),
};

try {
  const names = Object.keys(hooks) as (keyof typeof hooks)[];
  for (const name of names) writeFileSync(join(root, `${name}.sh`), hooks[name], { mode: 0o755 });
  const times = new Map(names.map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const start = performance.now();
      const { status } = spawnSync(join(root, `${name}.sh`), { env, stdio: "ignore" });
      times.get(name)!.push(performance.now() - start);
      if (status !== 0) throw new Error(`hook "${name}" ended with ${status}`);
    }
  }
  const messages = readdirSync(root).length - names.length;
  if (messages !== 2 * rounds) throw new Error(`${messages} messages after ${2 * rounds} builds`);

  const quantile = (name: keyof typeof hooks, q: number): number => {
    const sorted = times.get(name)!.toSorted((a, b) => a - b);
    return sorted[Math.floor(q * (sorted.length - 1))]!;
  };
  const empty = quantile("empty", 0.5);
  const results = names.map((name) => {
    const p50Ms = quantile(name, 0.5);
    return { name, p50Ms, p95Ms: quantile(name, 0.95), addedMs: p50Ms - empty, ratio: p50Ms / empty };
  });
  if (process.argv[2] === "--json") console.log(JSON.stringify(results));
  else {
    console.log("hook             p50 ms   p95 ms added ms    ratio");
    for (const { name, ...figures } of results) {
      const columns = Object.values(figures).map((value) => value.toFixed(2).padStart(9));
      console.log(name.padEnd(14) + columns.join(""));
    }
  }
} finally {
  rmSync(root, { recursive: true });
}
