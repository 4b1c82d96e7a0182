// What a node thinks of paths, as a part of the API: decisions, subscriptions and evidence.
import { TrustixError } from "../errors.ts";
import { type Audience, explanationFor, subscriptionsFor } from "./audience.ts";
import type { CheckpointsJson, EntriesJson, EntriesQuery } from "./insight-schema.ts";
import type { ApiQuarantine } from "./quarantine-schema.ts";
import type { Handlers } from "./serve-operations.ts";

/** A path to decide on: a hash part with or without its name, and the statement that the path's own name proves. */
export interface DecisionRequest {
  /** `<hash part>` or `<hash part>-<name>`. */
  readonly what: string;
  /** The caller vouches that it was verified. */
  readonly proven?: string | undefined;
}

/** A path with what every subscription says of it: its `SubscriptionAnswer`s. */
export interface RecalledPath {
  readonly hashPart: string;
  readonly answers: readonly unknown[];
}

/** Decisions, as the API uses them. Values that are `unknown` are sent as JSON. */
export interface ApiDecisions {
  /**
   * Asks all subscriptions and decides: a `PolicyDecision`.
   * @throws TrustixError `INVALID_ARGUMENT` for what is no hash part or name
   */
  decideOn(request: DecisionRequest, signal: AbortSignal): Promise<unknown>;
  /** As {@link decideOn}, with all that there is to say: an `Explanation`. */
  explainOn(request: DecisionRequest, signal: AbortSignal): Promise<unknown>;
  /** Store paths of a name, or of any version of it, that subscribed logs have claims on. */
  find(name: string): readonly string[];
  /** What logs say, and caches said when asked last, of every path that there is a claim on. */
  recall(): AsyncIterable<RecalledPath>;
  /**
   * The `.tlog-proof` of an entry of a subscribed log, the entry itself in `extra`.
   * @throws TrustixError `NOT_FOUND`, and what reading the log throws
   */
  prove(name: string, index: number, signal: AbortSignal): Promise<string>;
  /**
   * A file of evidence that a log states two things of a path.
   * @throws TrustixError `NOT_FOUND` when it does not, and what reading the log throws
   */
  contradiction(name: string, what: string, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * Checkpoints of a subscribed log, newest first.
   * @throws TrustixError `NOT_FOUND`
   */
  checkpoints(name: string): CheckpointsJson;
  /**
   * Entries of a subscribed log, newest first, fetched from it.
   * @throws TrustixError `NOT_FOUND`, and what reading the log throws
   */
  entries(name: string, query: EntriesQuery, signal: AbortSignal): Promise<EntriesJson>;
  /** Every subscription, logs first. */
  status(): readonly object[];
  /** Lets a log that was found to misbehave count again. @throws TrustixError `NOT_FOUND` */
  clear(name: string, options: { readonly forget: boolean }): Promise<void>;
  /** Who does not count, and why. */
  readonly quarantine: ApiQuarantine;
  /** Names of the files of evidence, sorted. */
  listEvidence(): Promise<readonly string[]>;
  /** One of them. @throws TrustixError `NOT_FOUND` */
  readEvidence(name: string): Promise<Uint8Array>;
}

/** Decisions under way for one request: enough to keep caches busy, few enough to leave room for clients of the node. */
const CONCURRENCY = 32;

/** Results of `action` in the order of the items, a few of them under way. */
async function* mapConcurrently<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  let next = 0;
  const start = (): void => {
    const result = action(items[next++] as T);
    // Awaited in its turn; until then a rejection is not unhandled.
    result.catch(() => {});
    running.push(result);
  };
  while (next < items.length && running.length < CONCURRENCY) start();
  for (let first = running.shift(); first !== undefined; first = running.shift()) {
    yield await first;
    if (next < items.length) start();
  }
}

/** Carries out what is asked of the node's judgement. */
export function decisionHandlers(options: {
  /** Absent: this node listens to nobody. */
  readonly decisions: ApiDecisions | undefined;
  readonly audience: Audience;
}): Handlers<
  | "listSubscriptions"
  | "clearSubscription"
  | "listCheckpoints"
  | "listEntries"
  | "proveEntry"
  | "proveContradiction"
  | "explainDecision"
  | "decide"
  | "findStorePaths"
  | "listAnswers"
  | "listEvidence"
  | "getEvidence"
  | "getQuarantine"
  | "quarantineOperator"
  | "releaseOperator"
> {
  const { decisions, audience } = options;
  const required = (): ApiDecisions => {
    if (decisions !== undefined) return decisions;
    throw new TrustixError("NOT_FOUND", "this node listens to nobody", {
      hint: "Add a subscription: `trustix subscribe URL`.",
    });
  };
  return {
    listSubscriptions: async () => ({ subscriptions: subscriptionsFor(audience, decisions?.status() ?? []) }),
    clearSubscription: async ({ params, body }) => {
      await required().clear(params.name, body);
      return {};
    },
    listCheckpoints: async ({ params }) => required().checkpoints(params.name),
    listEntries: async ({ params, query, signal }) => required().entries(params.name, query, signal),
    proveEntry: async ({ params, query, signal }) => required().prove(params.name, query.index, signal),
    proveContradiction: async ({ params, query, signal }) =>
      required().contradiction(params.name, query.what, signal),
    explainDecision: async ({ params, signal }) =>
      explanationFor(audience, await required().explainOn(params, signal)),
    decide: async ({ body, signal }) => {
      const judge = required();
      return mapConcurrently(body.paths, (each) => judge.decideOn(each, signal));
    },
    findStorePaths: async ({ query }) => ({ paths: decisions?.find(query.name) ?? [] }),
    listAnswers: async () => required().recall(),
    listEvidence: async () => ({ evidence: (await decisions?.listEvidence()) ?? [] }),
    getEvidence: async ({ params }) => required().readEvidence(params.file),
    getQuarantine: async () => required().quarantine.describe(),
    quarantineOperator: async ({ params, body }) => {
      const { quarantine } = required();
      await quarantine.add(params.operator, body.reason);
      return quarantine.describe();
    },
    releaseOperator: async ({ params, body }) => {
      const { quarantine } = required();
      await quarantine.release(params.operator, body.reason);
      return quarantine.describe();
    },
  };
}
