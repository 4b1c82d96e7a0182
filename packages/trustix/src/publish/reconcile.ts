// Finds paths of this store that no claim is about yet, and publishes them: those the hook missed (spool unwritable,
// hook not installed yet), and on demand a closure or the whole store.

import { isDerivationPath, type StorePath } from "@trustix/nix";
import type { ListedPath, LocalNix } from "../nix/local-nix.ts";
import type { Sleep } from "../sleep.ts";
import type { IsClaimed, Outcome, Publisher } from "./publisher.ts";

/** What a {@link Reconciler} needs. */
export interface ReconcilerOptions {
  readonly nix: Pick<LocalNix, "list">;
  readonly publisher: Pick<Publisher, "publish">;
  readonly isClaimed: IsClaimed;
}

/** Which paths to publish. */
export interface BackfillRequest {
  /** Publish the closure of these; `undefined` is the whole store. */
  readonly roots?: readonly StorePath[] | undefined;
  /**
   * Also claim what was built elsewhere and copied here, with kind `imported`. Default false: a claim says that the
   * contents are what this builder's own builds gave, and of these paths it cannot know.
   */
  readonly includeImported?: boolean | undefined;
  /** Called after every batch. */
  readonly onProgress?: ((progress: BackfillProgress, outcomes: readonly Outcome[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Counts of paths so far. */
export interface BackfillProgress {
  /** Listed by Nix, derivations included. */
  readonly listed: number;
  /** Left alone: claimed before. */
  readonly known: number;
  /** Left alone: built elsewhere, and those were not asked for. */
  readonly foreign: number;
  /** New claims. */
  readonly claimed: number;
  /** Not claimed although it was due: gone meanwhile, damaged, or refused. */
  readonly failed: number;
}

/** How {@link Reconciler.run} repeats itself. */
export interface ReconcileSchedule {
  readonly intervalMs: number;
  readonly sleep: Sleep;
  /** Called after each round. */
  readonly onDone: (progress: BackfillProgress) => void;
  /** Called for each path that was not claimed although it was due. */
  readonly onOutcome: (outcome: Outcome) => void;
  /** Called for a round that failed; the next one comes at its time. */
  readonly onError: (error: unknown) => void;
}

/** Paths that are published together: one query and one batch of the log. */
const BATCH_SIZE = 256;

/** Publishes paths that no claim is about yet. Holds no state: what is claimed is in the log. */
export class Reconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /**
   * Publishes what is due, dependencies before dependents, in batches. Stopped half-way, the next call goes on with the
   * rest, since what is claimed is skipped. Memory does not grow with the store.
   * @throws TrustixError `NIX_UNAVAILABLE` and the like; the signal's reason when aborted
   */
  async backfill(request: BackfillRequest = {}): Promise<BackfillProgress> {
    const { nix, publisher, isClaimed } = this.#options;
    const { roots, includeImported = false, onProgress, signal } = request;
    const progress = { listed: 0, known: 0, foreign: 0, claimed: 0, failed: 0 };
    let batch: ListedPath[] = [];
    const flush = async (): Promise<void> => {
      const builds = batch.map(
        ({ path, isUltimate }) => ({ path, kind: isUltimate ? "built" : "imported" }) as const,
      );
      const outcomes = await publisher.publish(builds, signal);
      batch = [];
      for (const outcome of outcomes) {
        if (outcome.status !== "claimed") progress.failed++;
        else if (outcome.isNew) progress.claimed++;
        else progress.known++;
      }
      onProgress?.({ ...progress }, outcomes);
    };
    for await (const listed of nix.list(roots, signal)) {
      progress.listed++;
      // A derivation is proven by its own name and is nobody's build result.
      if (isDerivationPath(listed.path)) continue;
      if (!listed.isUltimate && !includeImported) progress.foreign++;
      else if (isClaimed(listed.path)) progress.known++;
      else if (batch.push(listed) === BATCH_SIZE) await flush();
    }
    await flush();
    return progress;
  }

  /** Reconciles the whole store at intervals, the first time after one interval, until aborted. */
  async run(schedule: ReconcileSchedule, signal: AbortSignal): Promise<void> {
    const { intervalMs, sleep, onDone, onOutcome, onError } = schedule;
    const onProgress = (_: BackfillProgress, outcomes: readonly Outcome[]): void => {
      for (const outcome of outcomes) if (outcome.status !== "claimed") onOutcome(outcome);
    };
    while (!signal.aborted) {
      try {
        await sleep(intervalMs, signal);
        onDone(await this.backfill({ onProgress, signal }));
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
    }
  }
}
