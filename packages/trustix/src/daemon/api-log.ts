// One log as the admin API sees it.
import { formatRawEntry, isStorePath, NixError, nixMapKey, rawMapKey, type StorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import type { BackfillBody } from "../http/admin-schema.ts";
import type { ApiLog, ClaimResult, RawSubmission } from "../http/logs-api.ts";
import type { PublishedLog } from "../log/published-log.ts";
import type { LocalNix } from "../nix/local-nix.ts";
import type { Outcome, Publisher } from "../publish/publisher.ts";
import type { BackfillProgress, Reconciler } from "../publish/reconcile.ts";
import type { LogStatus } from "./status.ts";

/** The parts that only logs of protocol `nix` have. */
export interface NixParts {
  readonly nix: LocalNix;
  readonly publisher: Publisher;
  readonly reconciler: Reconciler;
}

/** What an {@link ApiLog} is made of. */
export interface ApiLogParts {
  readonly name: string;
  readonly vkey: string;
  readonly log: PublishedLog;
  /** Absent: the log is of protocol `raw`. */
  readonly nixParts?: NixParts | undefined;
  /** What became of a path; of a backfill there may be as many as the store has. */
  readonly onOutcome: (outcome: Outcome, from: "submit" | "backfill") => void;
  readonly onBackfilled: (progress: BackfillProgress) => void;
}

/** An {@link ApiLog} that also tells the node about itself. */
export interface NodeLog extends ApiLog {
  status(): LogStatus;
}

function parsePath(text: string, storeDir: string): StorePath {
  if (isStorePath(text, storeDir)) return text;
  throw new TrustixError(
    "INVALID_ARGUMENT",
    `${JSON.stringify(text.slice(0, 300))} is no path in ${storeDir}`,
  );
}

function toResult(outcome: Outcome): ClaimResult {
  const { path, ...rest } = outcome;
  return { key: path, ...rest };
}

/** Those of the given paths that were built here; the others were substituted or copied here. */
async function builtHere(
  nix: LocalNix,
  paths: readonly StorePath[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const valid = await nix.filterValid(paths, signal);
  const wanted = new Set<string>(valid);
  const built = new Set<string>();
  for await (const { path, isUltimate } of nix.list(valid, signal)) {
    if (isUltimate && wanted.has(path)) built.add(path);
  }
  return built;
}

/** Reports of a call that reports through a callback, the newest only; ends with what the call returns. */
async function* reportsOf<T>(run: (report: (value: T) => void) => Promise<T>): AsyncGenerator<T> {
  let latest: T | undefined;
  let news = Promise.withResolvers<void>();
  const result = run((value) => {
    latest = value;
    news.resolve();
  });
  const ended = result.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, news.promise.then(() => false)]))) {
    news = Promise.withResolvers();
    if (latest !== undefined) yield latest;
  }
  yield await result;
}

/** Makes the admin API's view of a log. */
export function createApiLog(parts: ApiLogParts): NodeLog {
  const { name, log, nixParts, vkey } = parts;

  const requireNix = (): NixParts => {
    if (nixParts !== undefined) return nixParts;
    throw new TrustixError("INVALID_ARGUMENT", `log ${name} is of protocol raw`, {
      hint: "Submit keys and values to it.",
    });
  };

  const submitPaths = async (texts: readonly string[], signal: AbortSignal): Promise<ClaimResult[]> => {
    const { nix, publisher } = requireNix();
    const paths = texts.map((text) => parsePath(text, nix.storeDir));
    const built = await builtHere(nix, paths, signal);
    const builds = paths.map((path) => ({ path, kind: built.has(path) ? "built" : "imported" }) as const);
    const outcomes = await publisher.publish(builds, signal);
    for (const outcome of outcomes) parts.onOutcome(outcome, "submit");
    return outcomes.map(toResult);
  };

  const submitRaw = async (claims: readonly RawSubmission[], signal: AbortSignal): Promise<ClaimResult[]> => {
    let entries: readonly Uint8Array[];
    try {
      entries = claims.map(formatRawEntry);
    } catch (cause) {
      if (!(cause instanceof NixError)) throw cause;
      throw new TrustixError("INVALID_ARGUMENT", cause.message, { cause });
    }
    const submitted = await Promise.all(entries.map((entry) => log.submit(entry, { signal })));
    return submitted.map((result, index) => ({ key: claims[index]!.label, status: "claimed", ...result }));
  };

  const proof = async (
    index: number,
    options: { readonly wait: boolean; readonly signal: AbortSignal },
  ): Promise<string> => {
    if (options.wait) {
      // Fails for a claim that does not exist, which could be waited for in vain.
      await log.entry(index);
      await log.whenPublished(index, { signal: options.signal });
    }
    return log.proof(index);
  };

  const find = async (key: string): Promise<readonly number[]> => {
    const mapKey =
      nixParts === undefined
        ? rawMapKey(Buffer.from(key, "utf8"))
        : nixMapKey(parsePath(key, nixParts.nix.storeDir));
    return (await log.lookup(mapKey)).map(({ index }) => index);
  };

  const backfill = (request: BackfillBody, signal: AbortSignal): AsyncIterable<BackfillProgress> => {
    const { nix, reconciler } = requireNix();
    const roots = request.roots?.map((text) => parsePath(text, nix.storeDir));
    return reportsOf(async (report) => {
      const sums = await reconciler.backfill({
        roots,
        includeImported: request["include-imported"],
        signal,
        onProgress: (progress, outcomes) => {
          for (const outcome of outcomes) parts.onOutcome(outcome, "backfill");
          report(progress);
        },
      });
      parts.onBackfilled(sums);
      return sums;
    });
  };

  const protocol = nixParts === undefined ? "raw" : "nix";
  const status = (): LogStatus => {
    const { size, pendingEntries } = log.stats();
    return { name, protocol, origin: log.origin, vkey, publishedSize: size, pending: pendingEntries };
  };
  return { name, protocol, submitPaths, submitRaw, proof, find, backfill, status };
}
