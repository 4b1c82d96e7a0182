// What a start of the program costs, and what a running daemon needs: time against bare node, memory, time to publication.
//
//     node --conditions=@trustix/source bench/start.ts [--rounds 20] [--claims 1000000] [--per-request 100] [--json]
//
// Starts: the built program (`npm run build -w trustix` first) against `node -e 0`, in turns, medians. `log show` reads a log
// of one claim from a directory. Goal: within 100 ms of bare node for commands that do little.
//
// Daemon: the built program in a process of its own, with a log of protocol `raw`. Claims with values of 280 bytes are
// submitted over the admin socket as fast as it takes them, 100 a request; larger requests need more memory. RSS is what
// Linux gives for the process: idle (ready, nothing asked), and the highest seen while it took the claims. Goals: at most 120 MB idle, at most 300 MB at a million claims.
// Time to publication: one claim at a time with `wait`, over the same socket, in the idle and in the loaded log; the batch is
// 250 ms, so a median of 250 ms is a claim that waits for its batch. Goal: median at most batch + 25 ms.

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DaemonClient } from "trustix/src/cli/client.ts";
import { HERE, startDaemon, trustixJson } from "../e2e/node.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    claims: { type: "string", default: "1000000" },
    "per-request": { type: "string", default: "100" },
    json: { type: "boolean", default: false },
  },
});
const total = Number(values.claims);
const PROGRAM = join(import.meta.dirname, "../packages/trustix/bin/trustix.js");
const perRequest = Number(values["per-request"]);
const SUBMITTERS = 4;

const median = (times: readonly number[]): number =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;

/** Memory of a process now, in MB. */
async function rssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6;
}

function measureStarts(commands: Readonly<Record<string, readonly string[]>>, rounds: number) {
  const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const start = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args);
      times.get(name)!.push(performance.now() - start);
      if (status !== 0) throw new Error(`${name} exited ${status}: ${stderr}`);
    }
  }
  const [base] = [...times.values()].map(median);
  return [...times].map(([name, all]) => {
    const p50Ms = median(all);
    return { name, p50Ms, addedMs: p50Ms - base!, ratio: p50Ms / base! };
  });
}

const root = await mkdtemp(join(tmpdir(), "bench-start-"));
try {
  const home = join(root, "node");
  const init = ["init", home, "--origin", "bench.test", "--listen", "127.0.0.1:0", "--raw"];
  const { vkeys } = (await trustixJson(HERE, root, ...init)) as { vkeys: { raw: string } };
  const config = join(home, "trustix.toml");
  // The bench submits faster than one client should.
  await writeFile(config, `${await readFile(config, "utf8")}\n[api]\nclaims-per-second = 1000000\n`);
  await using daemon = await startDaemon({ ...HERE, program: PROGRAM }, home);
  const { pid } = daemon.status;
  const client = new DaemonClient(join(home, "state/admin.sock"));
  const { signal } = new AbortController();
  const path = "/api/v1/logs/raw/claims";
  let made = 0;
  const value = "v".repeat(280);
  const post = (count: number, wait: boolean): Promise<unknown> => {
    const claims = Array.from({ length: count }, () => ({ key: `key-${made++}`, value }));
    return client.json({ method: "POST", path, body: { claims, wait }, signal });
  };
  const timesToPublication = async (count: number): Promise<number[]> => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      // At any moment of the batch, not just behind the last one.
      await sleep(Math.random() * 300);
      const start = performance.now();
      await post(1, true);
      times.push(performance.now() - start);
    }
    return times;
  };

  await sleep(2000);
  const idleMb = await rssMb(pid);
  const idleTimes = await timesToPublication(40);
  const publicDir = join(home, "state/logs/raw/public");
  const starts = measureStarts(
    {
      "node -e 0": ["-e", "0"],
      "trustix version": [PROGRAM, "version"],
      "trustix --help": [PROGRAM, "--help"],
      "trustix log show": [PROGRAM, "log", "show", publicDir, "--vkey", vkeys.raw, "--limit", "1"],
    },
    Number(values.rounds),
  );
  // The daemon may have closed idle connections meanwhile; see that before one is used again.
  await sleep(100);

  let highestMb = idleMb;
  let isLoading = true;
  const watching = (async () => {
    for (; isLoading; await sleep(100)) highestMb = Math.max(highestMb, await rssMb(pid));
  })();
  const start = performance.now();
  let submitted = made;
  const submitter = async (): Promise<void> => {
    while (submitted < total) {
      submitted += perRequest;
      const claims = Array.from({ length: perRequest }, () => ({ key: `key-${made++}`, value }));
      for (;;) {
        try {
          await client.json({ method: "POST", path, body: { claims }, signal });
          break;
        } catch (error) {
          // Told to come back: what was taken of the request is not taken twice.
          if ((error as { code?: string }).code !== "PUSHBACK") throw error;
          await sleep(250);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  await post(1, true);
  const seconds = (performance.now() - start) / 1000;
  isLoading = false;
  await watching;
  const loadedTimes = await timesToPublication(40);
  const result = {
    starts,
    daemon: {
      claims: made,
      claimsPerSecond: made / seconds,
      idleMb,
      highestMb,
      afterwardsMb: await rssMb(pid),
      publishedP50Ms: { idle: median(idleTimes), loaded: median(loadedTimes) },
    },
  };
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log("| start | p50 ms | added ms | ratio to bare node |\n|---|---:|---:|---:|");
    for (const { name, p50Ms, addedMs, ratio } of starts) {
      console.log(`| ${name} | ${p50Ms.toFixed(0)} | ${addedMs.toFixed(0)} | ${ratio.toFixed(2)} |`);
    }
    console.log(JSON.stringify(result.daemon, undefined, 2));
  }
} finally {
  await rm(root, { recursive: true });
}
