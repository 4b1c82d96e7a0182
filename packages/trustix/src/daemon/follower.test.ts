// Whatever comes in whatever order, analysis is in the end as if it had been made from the claims in one go.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nixMapKey, type StorePath } from "@trustix/nix";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Follower } from "../analyse/follower.ts";
import type { SourceLog } from "../analyse/sources.ts";
import { ClaimReader } from "../subscribe/claim-reader.ts";
import { ClaimWriter, type LogState, packClaims } from "../subscribe/claim-writer.ts";
import { finish, rebuildAnalysis } from "./rebuild-analysis.test.util.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "follower-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Logs and whose they are: two of one operator, and one that moves. */
const LISTENING: readonly (readonly [log: number, operator: string][])[] = [
  [
    [1, "alice"],
    [2, "bob"],
    [3, "chuck"],
    [4, "chuck"],
  ],
  [
    [1, "alice"],
    [2, "bob"],
    [3, "chuck"],
  ],
  [
    [1, "alice"],
    [2, "bob"],
  ],
  [
    [1, "alice"],
    [2, "chuck"],
    [3, "dan"],
  ],
  [[2, "bob"]],
];
const NAMES = ["hello-2.12.1", "hello-2.12.1-dev", "x11-1", "source"];

const claim = fc.record({
  path: fc.nat(5),
  name: fc.nat(NAMES.length - 1),
  statement: fc.nat(2),
  system: fc.constantFrom(undefined, "x86_64-linux", "aarch64-linux"),
});
type Claim = typeof claim extends fc.Arbitrary<infer T> ? T : never;

const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant("append" as const),
      log: fc.integer({ min: 1, max: 4 }),
      claims: fc.array(claim, { minLength: 1, maxLength: 6 }),
      afterS: fc.nat(5000),
    }),
  },
  // Most pieces are finished, and some given up in the middle.
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("step" as const),
      pauses: fc.oneof(fc.nat(6), fc.constant(Number.POSITIVE_INFINITY)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("finish" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant("forget" as const), log: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant("restart" as const),
      logs: fc.nat(LISTENING.length - 1),
      isTrimmed: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("quarantine" as const),
      operators: fc.subarray(["alice", "bob", "chuck"]),
    }),
  },
);

function hashPart(path: number): string {
  return "0123456789abcdfghijklmnpqrsvwxyz"[path]!.repeat(32);
}

function newClaim({ path, name, statement, system }: Claim, index: number) {
  const storePath = `/nix/store/${hashPart(path)}-${NAMES[name]}`;
  return {
    key: nixMapKey(storePath as StorePath),
    index,
    statement: `1;${storePath};sha256:${statement};1;`,
    system,
  };
}

it("equals a rebuild from scratch, row for row, after any claims, forgetting, crashes, restarts and absences", async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60, size: "max" }), async (actions) => {
      runs++;
      const path = join(root, `claims-${runs}.db`);
      const analysisPath = join(root, `analysis-${runs}.db`);
      using writer = ClaimWriter.open(path);
      const logs: LogState[] = [1, 2, 3, 4].map((n) =>
        writer.log({ origin: `log ${n}`, key: "key", protocol: "nix" }),
      );
      using reader = new ClaimReader(path);
      let nowS = 1_000_000;
      let listening = LISTENING[0]!;
      const open = (at: string): Follower => {
        const sources = listening.map(
          ([log, operator]): SourceLog => ({ log, operator, subscription: `${log}` }),
        );
        const now = () => 1000 * nowS;
        return Follower.open({ path: at, claims: reader, logs: sources, now, pieceKeys: 2, sliceMs: 0 });
      };
      let follower = open(analysisPath);
      for (const each of actions) {
        switch (each.act) {
          case "append": {
            const { id, nextIndex } = logs[each.log - 1]!;
            nowS += each.afterS;
            const claims = each.claims.map((one, i) => newClaim(one, nextIndex + i));
            logs[each.log - 1] = writer.append(id, {
              startIndex: nextIndex,
              nextIndex: nextIndex + claims.length,
              unreadable: 0,
              seenAtMs: 1000 * nowS,
              parts: [packClaims(claims)],
            });
            break;
          }
          case "forget":
            logs[each.log - 1] = writer.forget(each.log);
            break;
          case "step": {
            let left = each.pauses;
            await follower.step(async () => left-- > 0);
            break;
          }
          case "finish":
            await finish(follower);
            break;
          case "restart":
            if (each.isTrimmed) writer.trimFeed(follower.seq);
            follower[Symbol.dispose]();
            listening = LISTENING[each.logs]!;
            nowS++;
            follower = open(analysisPath);
            break;
          case "quarantine":
            nowS++;
            follower.setQuarantine(each.operators.map((operator) => ({ operator, reason: "" })));
            break;
          default:
            each satisfies never;
        }
      }
      await finish(follower);
      expect(follower.behind()).toBe(0);
      follower[Symbol.dispose]();

      const { kept, rebuilt } = await rebuildAnalysis(path, analysisPath);
      expect(kept).toEqual(rebuilt);
      for (const file of [path, analysisPath])
        for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
    }),
    { numRuns: 60 },
  );
});
