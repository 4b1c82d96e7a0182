import { setTimeout as delay } from "node:timers/promises";
import { parseStorePath, type StorePath } from "@trustix/nix";
import { describe, expect, it, vi } from "vitest";
import { TrustixError } from "../errors.ts";
import type { ListedPath } from "../nix/local-nix.ts";
import type { Build, Outcome } from "./publisher.ts";
import { type BackfillProgress, Reconciler } from "./reconcile.ts";

const storePath = (n: number, name = "a") =>
  parseStorePath(`/nix/store/${String(n).padStart(32, "0")}-${name}`);

/** A store in which odd paths were built here, with a log that remembers. */
function makeStore(size: number) {
  const store: ListedPath[] = Array.from({ length: size }, (_, i) => ({
    path: storePath(i),
    isUltimate: i % 2 === 1,
  }));
  const claims = new Map<StorePath, Build["kind"]>();
  const batches: number[] = [];
  const reconciler = new Reconciler({
    nix: {
      async *list(roots) {
        for (const listed of store) if (roots === undefined || roots.includes(listed.path)) yield listed;
      },
    },
    publisher: {
      publish: async (builds): Promise<Outcome[]> => {
        batches.push(builds.length);
        return builds.map(({ path, kind }, index) => {
          claims.set(path, kind);
          return { path, status: "claimed", index, isNew: true };
        });
      },
    },
    isClaimed: (path) => claims.has(path),
  });
  return { store, claims, batches, reconciler };
}

describe("backfill", () => {
  it("claims what was built here, in bounded batches, and only once", async () => {
    const { claims, batches, reconciler } = makeStore(1000);
    const seen: BackfillProgress[] = [];
    expect(await reconciler.backfill({ onProgress: (progress) => seen.push(progress) })).toEqual({
      listed: 1000,
      known: 0,
      foreign: 500,
      claimed: 500,
      failed: 0,
    });
    expect(new Set(claims.values())).toEqual(new Set(["built"]));
    expect(batches).toEqual([256, 244]);
    expect(seen.map(({ claimed }) => claimed)).toEqual([256, 500]);
    expect(await reconciler.backfill()).toMatchObject({ known: 500, claimed: 0 });
  });

  it("claims what was copied here only when asked to, and says so", async () => {
    const { claims, reconciler } = makeStore(4);
    expect(await reconciler.backfill({ includeImported: true })).toMatchObject({ foreign: 0, claimed: 4 });
    expect([...claims.values()]).toEqual(["imported", "built", "imported", "built"]);
  });

  it("publishes a closure", async () => {
    const { claims, reconciler } = makeStore(10);
    await reconciler.backfill({ roots: [storePath(1), storePath(2)] });
    expect([...claims.keys()]).toEqual([storePath(1)]);
  });

  it("leaves derivations alone", async () => {
    const { store, claims, reconciler } = makeStore(0);
    store.push({ path: storePath(1, "a.drv"), isUltimate: true });
    expect(await reconciler.backfill({ includeImported: true })).toMatchObject({ listed: 1, claimed: 0 });
    expect(claims.size).toBe(0);
  });

  it("counts what could not be claimed", async () => {
    const outcomes: Outcome["status"][] = ["gone", "damaged", "refused", "replaced"];
    const publish = async (builds: readonly Build[]) =>
      builds.map(({ path }, i) => ({ path, status: outcomes[i % 4]!, reason: "" }) as Outcome);
    const nix = {
      async *list() {
        for (let i = 0; i < 8; i++) yield { path: storePath(i), isUltimate: true };
      },
    };
    expect(
      await new Reconciler({ nix, publisher: { publish }, isClaimed: () => false }).backfill(),
    ).toMatchObject({
      claimed: 0,
      failed: 8,
    });
  });
});

describe("run", () => {
  it("repeats itself, also after a failure, until aborted", async () => {
    const { reconciler, claims } = makeStore(4);
    vi.spyOn(reconciler, "backfill").mockRejectedValueOnce(new TrustixError("NIX_UNAVAILABLE", "down"));
    const abort = new AbortController();
    const rounds: (BackfillProgress | "failed")[] = [];
    await reconciler.run(
      {
        intervalMs: 1,
        sleep: (durationMs, signal) => delay(durationMs, undefined, { signal }),
        onDone: (progress) => {
          if (rounds.push(progress) === 3) abort.abort();
        },
        onOutcome: () => {},
        onError: () => rounds.push("failed"),
      },
      abort.signal,
    );
    expect(rounds).toEqual([
      "failed",
      { listed: 4, known: 0, foreign: 2, claimed: 2, failed: 0 },
      { listed: 4, known: 2, foreign: 2, claimed: 0, failed: 0 },
    ]);
    expect(claims.size).toBe(2);
  });
});
