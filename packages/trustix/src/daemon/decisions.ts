// What this node thinks of a path: its subscriptions are asked, their votes counted, and the policy decides.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isHashPart, isStorePath } from "@trustix/nix";
import { parsePolicy, parseVerifierKey, type Policy as WitnessPolicy } from "@trustix/tlog";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import type { ApiDecisions, DecisionRequest, RecalledPath } from "../http/decisions-api.ts";
import type { CheckpointsJson, EntriesJson, EntriesQuery } from "../http/insight-schema.ts";
import { type CheckpointFacts, type Explanation, explain } from "../policy/explain.ts";
import { openPolicy } from "../policy/open-policy.ts";
import type { PathFacts, Policy, PolicyDecision } from "../policy/policy.ts";
import { formatEvidence } from "../subscribe/evidence.ts";
import type { ShownEntry } from "../subscribe/log-entries.ts";
import type { CacheSubscription, LogSubscription } from "../subscribe/options.ts";
import { type FollowedClaims, type SubscriptionStatus, Subscriptions } from "../subscribe/subscriptions.ts";
import { markQuarantined } from "../votes/quarantine.ts";
import { countVotes, type SubscriptionAnswer, type Vote } from "../votes/vote.ts";
import type { Logger } from "./logger.ts";
import { Quarantine } from "./quarantine.ts";

/** The state of a subscription, and how its word fared in the decisions since the start. */
export type ListenedStatus = SubscriptionStatus & {
  /** Decisions that accepted what it states. */
  readonly agreed: number;
  /** Decisions that accepted something else than what it states. */
  readonly dissented: number;
};

/** Names that the subscriber gives to files of evidence. */
const EVIDENCE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.json$/;

/** Paths that a search by name yields at most. */
const MAX_FOUND = 1000;

/** Checkpoints that are told of a log. */
const MAX_CHECKPOINTS = 100;
/** Entries of a page. */
const DEFAULT_ENTRIES = 50;

const directoryOf = (config: Config): string => join(config.node.stateDir, "subscriptions");

interface Tally {
  agreed: number;
  dissented: number;
}

async function readWitnessPolicy(path: string): Promise<WitnessPolicy> {
  try {
    return parsePolicy(await readFile(path));
  } catch (cause) {
    const message = `the witness policy ${path} cannot be used: ${(cause as Error).message}`;
    throw new TrustixError("CONFIG_INVALID", message, { cause });
  }
}

/** The subscriptions of a configuration, as the subscriber takes them. */
async function subscriptionsOf(config: Config): Promise<{
  readonly logs: readonly LogSubscription[];
  readonly caches: readonly CacheSubscription[];
}> {
  const logs: LogSubscription[] = [];
  const caches: CacheSubscription[] = [];
  for (const {
    name,
    operator,
    url: address,
    vkey,
    origin,
    protocol,
    witnessPolicy,
    publicKeys,
  } of config.subscription) {
    if (publicKeys !== undefined) caches.push({ name, operator, address, keys: publicKeys });
    if (vkey === undefined) continue;
    logs.push({
      name,
      operator,
      address,
      key: vkey,
      origin: origin ?? parseVerifierKey(vkey).name,
      ...(protocol === undefined ? {} : { protocol }),
      ...(witnessPolicy === undefined ? {} : { witnesses: await readWitnessPolicy(witnessPolicy) }),
    });
  }
  return { logs, caches };
}

/** Decides about paths. Disposing ends the subscriptions. */
export class Decisions implements ApiDecisions, AsyncDisposable {
  readonly quarantine: Quarantine;
  /** Shared with the quarantine, which must ask the one that is in force. */
  readonly #held: { policy: Policy };
  readonly #subscriptions: Subscriptions;
  readonly #askBudgetMs: number;
  readonly #storeDir: string;
  readonly #evidenceDirectory: string;
  readonly #tallies = new Map<string, Tally>();

  private constructor(
    held: { policy: Policy },
    quarantine: Quarantine,
    subscriptions: Subscriptions,
    config: Config,
  ) {
    this.#held = held;
    this.quarantine = quarantine;
    this.#subscriptions = subscriptions;
    this.#askBudgetMs = config.subscribe.askBudget;
    this.#storeDir = config.nix.storeDir;
    this.#evidenceDirectory = join(directoryOf(config), "evidence");
    for (const { name } of config.subscription) this.#tallies.set(name, { agreed: 0, dissented: 0 });
  }

  /**
   * Loads the policy and who is in quarantine, and begins to follow the subscriptions.
   * @throws TrustixError `CONFIG_INVALID`, `POLICY_SCRIPT_INVALID`, and what `Quarantine.open` and `Subscriptions.open` throw
   */
  static async open(config: Config, logger: Logger): Promise<Decisions> {
    const held = { policy: await openPolicy(config) };
    const policy: Pick<Policy, "rulesBlockedBy"> = {
      rulesBlockedBy: (silenced) => held.policy.rulesBlockedBy(silenced),
    };
    const quarantine = await Quarantine.open({ config, policy, logger, now: Date.now });
    const { pollInterval, silence, maxLogSize, cacheTimeout } = config.subscribe;
    const subscriptions = await Subscriptions.open({
      ...(await subscriptionsOf(config)),
      directory: directoryOf(config),
      storeDir: config.nix.storeDir,
      mirrorLimits: {
        pollIntervalMs: pollInterval,
        silenceMs: silence,
        maxStatementBytes: maxLogSize,
      },
      cacheLimits: { timeoutMs: cacheTimeout },
    });
    return new Decisions(held, quarantine, subscriptions, config);
  }

  /** The policy in force: another object once it was replaced. */
  get policy(): Policy {
    return this.#held.policy;
  }

  /** Decides by this policy from now on. Its operators must be those of the one before. */
  usePolicy(policy: Policy): void {
    this.#held.policy = policy;
  }

  /**
   * Asks all subscriptions and decides: at once, unless a cache has to be waited for.
   * @throws TrustixError `INVALID_ARGUMENT` for a malformed hash part
   */
  decide(facts: PathFacts, signal: AbortSignal): PolicyDecision | Promise<PolicyDecision> {
    const answers = this.#ask(facts, signal);
    const decide = (given: readonly SubscriptionAnswer[]): PolicyDecision => {
      const decision = this.#judge(facts, given);
      if (decision.accepted) this.#count(decision.statement, decision.votes);
      return decision;
    };
    return answers instanceof Promise ? answers.then(decide) : decide(answers);
  }

  #ask(
    facts: PathFacts,
    signal: AbortSignal,
  ): readonly SubscriptionAnswer[] | Promise<readonly SubscriptionAnswer[]> {
    // Whatever its name, as a substituter is asked: what is said under another name is dissent, and who said two contradicts himself.
    const subject = { protocol: "nix", hashPart: facts.hashPart } as const;
    return this.#subscriptions.ask(subject, { budgetMs: this.#askBudgetMs, signal });
  }

  /** As {@link decide}, for the admin API. */
  async decideOn(request: DecisionRequest, signal: AbortSignal): Promise<PolicyDecision> {
    return await this.decide(this.#factsOf(request), signal);
  }

  /** A decision, and all that there is to say about it. It counts for nobody: anyone may ask, as often as they like. */
  async explainOn(request: DecisionRequest, signal: AbortSignal): Promise<Explanation> {
    const facts = this.#factsOf(request);
    const decision = this.#judge(facts, await this.#ask(facts, signal));
    const checkpoints = new Map<string, CheckpointFacts>();
    for (const each of this.#subscriptions.status()) {
      if (each.kind !== "log") continue;
      checkpoints.set(each.subscription, { treeSize: each.size, rootHash: each.root });
    }
    return explain(decision, { checkpoints, storeDir: this.#storeDir });
  }

  /** What the analysis follows. */
  get claims(): FollowedClaims {
    return this.#subscriptions.claims;
  }

  /** Store paths of a name, or of any version of it, that subscribed logs have claims on. */
  find(name: string): readonly string[] {
    return this.#subscriptions.find(name, MAX_FOUND);
  }

  /** What logs say, and caches said when asked last, of every path that there is a claim on. */
  async *recall(): AsyncGenerator<RecalledPath> {
    yield* this.#subscriptions.recall();
  }

  /** The `.tlog-proof` of a log's entry. @throws TrustixError `NOT_FOUND`, and as the log's files do */
  prove(name: string, index: number, signal: AbortSignal): Promise<string> {
    return this.#subscriptions.prove(name, index, signal);
  }

  /** Evidence that a log contradicts itself about a path. @throws TrustixError `NOT_FOUND`, and as the log's files do */
  async contradiction(name: string, what: string, signal: AbortSignal): Promise<Uint8Array> {
    const { hashPart } = this.#factsOf({ what });
    return formatEvidence(
      await this.#subscriptions.contradiction(name, { protocol: "nix", hashPart }, signal),
    );
  }

  /** Checkpoints of a log, newest first. @throws TrustixError `NOT_FOUND` */
  checkpoints(name: string): CheckpointsJson {
    const { subscription, checkpoints } = this.#subscriptions.checkpoints(name, MAX_CHECKPOINTS);
    return {
      origin: subscription.origin,
      vkey: subscription.key,
      checkpoints: checkpoints.map(({ seenAtMs, ...each }) => ({
        ...each,
        seen: new Date(seenAtMs).toISOString(),
      })),
    };
  }

  /** Entries of a log, newest first. @throws TrustixError `NOT_FOUND`, and as the log's files do */
  async entries(name: string, query: EntriesQuery, signal: AbortSignal): Promise<EntriesJson> {
    const { before, limit = DEFAULT_ENTRIES } = query;
    const { size, entries } = await this.#subscriptions.entries(name, { before, limit }, signal);
    return { size, entries: entries.map((each) => this.#showEntry(each)) };
  }

  /** Every subscription, logs first. */
  status(): ListenedStatus[] {
    return this.#subscriptions.status().map((status) => ({
      ...status,
      ...(this.#tallies.get(status.subscription) as Tally),
    }));
  }

  /** Lets a log that was found to misbehave count again. @throws TrustixError `NOT_FOUND` */
  clear(name: string, options: { readonly forget: boolean }): Promise<void> {
    return this.#subscriptions.clear(name, options);
  }

  /** Names of the files of evidence, sorted. */
  async listEvidence(): Promise<readonly string[]> {
    const names = await readdir(this.#evidenceDirectory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw new TrustixError("STORAGE_FAILED", "the evidence cannot be listed", { cause: error });
    });
    return names.filter((name) => EVIDENCE_NAME.test(name)).sort();
  }

  /** One of them. @throws TrustixError `NOT_FOUND` */
  async readEvidence(name: string): Promise<Uint8Array> {
    if (EVIDENCE_NAME.test(name)) {
      const bytes = await readFile(join(this.#evidenceDirectory, name)).catch(() => undefined);
      if (bytes !== undefined) return bytes;
    }
    throw new TrustixError("NOT_FOUND", `there is no evidence ${JSON.stringify(name.slice(0, 100))}`, {
      hint: "`trustix evidence list` shows what there is.",
    });
  }

  #showEntry({ index, parsed }: ShownEntry): EntriesJson["entries"][number] {
    if (parsed === undefined) return { index, storePath: null, statement: null, attributes: {} };
    const { statement, attributes } = parsed;
    const path = statement.split(";", 2)[1] ?? "";
    const values = Map.groupBy(attributes, ({ name }) => name);
    return {
      index,
      storePath: isStorePath(path, this.#storeDir) ? path : null,
      statement,
      attributes: Object.fromEntries(
        Array.from(values, ([name, same]) => [name, same.map(({ value }) => value).join("\n")]),
      ),
    };
  }

  #factsOf({ what, proven }: DecisionRequest): PathFacts {
    const hashPart = what.slice(0, 32);
    const storePath = what.length > 32 ? `${this.#storeDir}/${what}` : undefined;
    if (isHashPart(hashPart) && (storePath === undefined || isStorePath(storePath, this.#storeDir))) {
      return { hashPart, storePath, proven };
    }
    throw new TrustixError("INVALID_ARGUMENT", `${JSON.stringify(what.slice(0, 300))} names no store path`, {
      hint: "Give the 32 characters of its hash part, or hash part and name.",
    });
  }

  #judge(facts: PathFacts, answers: readonly SubscriptionAnswer[]): PolicyDecision {
    const votes = countVotes(this.policy.operators, answers);
    return this.policy.decide(facts, markQuarantined(votes, this.quarantine));
  }

  #count(accepted: string, votes: readonly Vote[]): void {
    for (const vote of votes) {
      if (!("claims" in vote)) continue;
      const statements = new Map<string, boolean>();
      for (const { subscription, statement } of vote.claims) {
        statements.set(subscription, (statements.get(subscription) ?? true) && statement === accepted);
      }
      for (const [subscription, agrees] of statements) {
        const tally = this.#tallies.get(subscription) as Tally;
        if (agrees) tally.agreed++;
        else tally.dissented++;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscriptions[Symbol.asyncDispose]();
  }
}
