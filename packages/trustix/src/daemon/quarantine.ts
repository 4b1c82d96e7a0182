// Who is in quarantine: kept in a file of the state directory, so that a restart changes nothing, and changed by what the
// analysis finds and by people. `policy/suspects.ts` says who is put there, `policy/policy.ts` what it means.
//
// Quarantine never ends by itself. A liar could leave it by building honestly until its lies are few in proportion, and
// claims of a log are there for ever; so a person decides, and is shown the present suspicion.
import { dirname, join } from "node:path";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import type { ApiQuarantine, QuarantineJson } from "../http/quarantine-schema.ts";
import type { Policy } from "../policy/policy.ts";
import { chooseSuspects, describeSuspect, isSuspectEnough, type Suspect } from "../policy/suspects.ts";
import type { Sleep } from "../sleep.ts";
import { DurableFiles } from "../store/durable-files.ts";
import { nodeFileSystem } from "../store/file-system.ts";
import type { Quarantined, QuarantinedOperator } from "../votes/quarantine.ts";
import {
  formatQuarantineRecords,
  MAX_QUARANTINE_BYTES,
  parseQuarantineRecords,
  type QuarantineRecord,
} from "../votes/quarantine-record.ts";
import type { Logger } from "./logger.ts";

/** Between two looks at whether a suspect has been one for long enough. */
const LOOK_MS = 1000;

/** What a quarantine needs. */
export interface QuarantineOptions {
  readonly config: Pick<Config, "node" | "policy" | "operator">;
  readonly policy: Pick<Policy, "rulesBlockedBy">;
  readonly logger: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** See the head of this file. */
export class Quarantine implements Quarantined, ApiQuarantine {
  readonly #options: QuarantineOptions;
  readonly #operators: readonly string[];
  readonly #path: string;
  readonly #files: DurableFiles;
  readonly #listeners = new Set<(list: readonly QuarantinedOperator[]) => void>();
  #records: readonly QuarantineRecord[];
  #inForce: readonly QuarantinedOperator[] = [];
  #suspects: readonly Suspect[] = [];
  /** Since when each operator has been suspect enough without a break. */
  readonly #suspectSinceMs = new Map<string, number>();
  /** Suspects that were reported as beyond `at-most`. */
  readonly #heldBack = new Set<string>();
  /** Changes are made one after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(options: QuarantineOptions, path: string, records: readonly QuarantineRecord[]) {
    this.#options = options;
    this.#operators = options.config.operator.map(({ name }) => name);
    this.#path = path;
    this.#files = new DurableFiles(nodeFileSystem, dirname(path));
    this.#records = records;
    this.#enforce();
  }

  /**
   * Reads the file; who is in it counts no more from the first decision on.
   * @throws TrustixError `STATE_CORRUPT` when the file is no such file, `STORAGE_FAILED` when it cannot be read
   */
  static async open(options: QuarantineOptions): Promise<Quarantine> {
    const path = join(options.config.node.stateDir, "quarantine.json");
    let bytes: Uint8Array | undefined;
    try {
      bytes = await nodeFileSystem.readFile(path, MAX_QUARANTINE_BYTES);
    } catch (cause) {
      throw new TrustixError("STORAGE_FAILED", `${path} cannot be read`, { cause });
    }
    const records = bytes === undefined ? [] : parseQuarantineRecords(new TextDecoder().decode(bytes), path);
    const quarantine = new Quarantine(options, path, records);
    quarantine.#announce();
    return quarantine;
  }

  /** Says at the start who does not count, and who would were the configuration another one. */
  #announce(): void {
    const { logger } = this.#options;
    for (const { operator, state, by, reason } of this.#records) {
      if (state === "released") continue;
      if (this.find(operator) !== undefined) {
        logger.warn({ operator, by, reason }, "operator is in quarantine and does not count");
      } else if (this.#operators.includes(operator)) {
        logger.warn({ operator, by, reason }, "operator counts though suspect: quarantine is not enabled");
      } else logger.warn({ operator, by, reason }, "operator in quarantine is not configured any more");
    }
  }

  find(operator: string): QuarantinedOperator | undefined {
    return this.#inForce.find((each) => each.operator === operator);
  }

  list(): readonly QuarantinedOperator[] {
    return this.#inForce;
  }

  /** Calls `listener` after each change of who is in quarantine, until disposed. */
  onChange(listener: (list: readonly QuarantinedOperator[]) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  describe(): QuarantineJson {
    const { enabled } = this.#options.config.policy.quarantine;
    return {
      enabled,
      operators: this.#records
        .filter(({ operator }) => this.#operators.includes(operator))
        .map(({ knownPaths: _, ...record }) => ({
          ...record,
          counts: this.find(record.operator) === undefined,
        })),
      suspects: this.#suspects.map((suspect) => ({ ...suspect })),
    };
  }

  add(operator: string, reason: string): Promise<void> {
    return this.#change(async () => {
      this.#known(operator);
      await this.#enter([this.#recordOf(operator, { state: "quarantined", by: "hand", reason })]);
    });
  }

  release(operator: string, reason: string): Promise<void> {
    return this.#change(async () => {
      this.#known(operator);
      if (!this.#records.some((each) => each.operator === operator && each.state === "quarantined")) {
        throw new TrustixError("NOT_FOUND", `${operator} is not in quarantine`, {
          hint: "`trustix quarantine list` shows who is.",
        });
      }
      const released = this.#recordOf(operator, { state: "released", by: "hand", reason });
      // Written first: who counts again before it is written may be in quarantine again after a crash, unannounced.
      const records = this.#replaced([released]);
      await this.#write(records);
      this.#records = records;
      this.#suspectSinceMs.delete(operator);
      this.#options.logger.warn({ operator, reason }, "operator counts again: its quarantine has ended");
      this.#enforce();
    });
  }

  /** Takes in who is suspect now, all of them. */
  assess(suspects: readonly Suspect[]): Promise<void> {
    this.#suspects = suspects;
    const { quarantine } = this.#options.config.policy;
    const enough = suspects.filter((each) => isSuspectEnough(each, quarantine));
    const now = this.#options.now();
    for (const operator of this.#suspectSinceMs.keys()) {
      if (!enough.some((each) => each.operator === operator)) this.#suspectSinceMs.delete(operator);
    }
    for (const { operator } of enough) {
      if (!this.#suspectSinceMs.has(operator)) this.#suspectSinceMs.set(operator, now);
    }
    return this.#consider();
  }

  /** Looks again and again at who has been suspect for long enough, until the signal. Never rejects. */
  async watch(sleep: Sleep, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#suspectSinceMs.size > 0) await this.#consider();
      await sleep(LOOK_MS, signal).catch(() => {});
    }
  }

  /** Puts into quarantine whom the settings say to. What fails is in the log, and is tried again. */
  #consider(): Promise<void> {
    return this.#change(async () => {
      const { config, logger, now } = this.#options;
      const settings = config.policy.quarantine;
      const ripe = this.#suspects.filter(({ operator }) => {
        const since = this.#suspectSinceMs.get(operator);
        return since !== undefined && now() - since >= settings.after;
      });
      const { chosen, heldBack } = chooseSuspects(ripe, settings, {
        operators: this.#operators,
        quarantined: this.#inForce.map(({ operator }) => operator),
        released: new Map(
          this.#records
            .filter(({ state }) => state === "released")
            .map((each) => [each.operator, each.knownPaths]),
        ),
      });
      for (const suspect of heldBack) {
        if (this.#heldBack.has(suspect.operator)) continue;
        this.#heldBack.add(suspect.operator);
        const { operator, suspicion, paths } = suspect;
        logger.warn(
          { operator, suspicion, paths },
          "suspect is not put into quarantine: `at-most` is reached",
        );
      }
      if (chosen.length === 0) return;
      const entered = chosen.map((suspect) =>
        this.#recordOf(suspect.operator, {
          state: "quarantined",
          by: "estimate",
          reason: describeSuspect(suspect),
        }),
      );
      await this.#enter(entered);
    }).catch((err: unknown) => {
      this.#options.logger.error({ err }, "quarantine cannot be stored: it ends with this process");
    });
  }

  /** In force first, then stored: what is on its way to the disk does not count any more. */
  async #enter(records: readonly QuarantineRecord[]): Promise<void> {
    for (const { operator, by, reason } of records) {
      this.#heldBack.delete(operator);
      this.#options.logger.warn({ operator, by, reason }, "operator is in quarantine and does not count");
    }
    this.#records = this.#replaced(records);
    this.#enforce();
    await this.#write(this.#records);
  }

  #replaced(records: readonly QuarantineRecord[]): readonly QuarantineRecord[] {
    const changed = new Set(records.map(({ operator }) => operator));
    return [...this.#records.filter(({ operator }) => !changed.has(operator)), ...records];
  }

  #recordOf(operator: string, rest: Pick<QuarantineRecord, "state" | "by" | "reason">): QuarantineRecord {
    const before = this.#records.find((each) => each.operator === operator)?.knownPaths ?? 0;
    const now = this.#suspects.find((each) => each.operator === operator)?.paths ?? 0;
    const since = new Date(this.#options.now()).toISOString();
    return { operator, ...rest, since, knownPaths: Math.max(before, now) };
  }

  /** Makes what the records say hold for decisions, and says what that means for the policy. */
  #enforce(): void {
    const { policy, logger, config } = this.#options;
    const { enabled } = config.policy.quarantine;
    const before = this.#inForce;
    this.#inForce = this.#operators.flatMap((operator) => {
      const found = this.#records.find((each) => each.operator === operator);
      if (found?.state !== "quarantined" || (found.by === "estimate" && !enabled)) return [];
      const { by, reason, since } = found;
      return [{ operator, by, reason, sinceMs: Date.parse(since) }];
    });
    const names = this.#inForce.map(({ operator }) => operator);
    if (names.length > 0 && names.join() !== before.map(({ operator }) => operator).join()) {
      const rules = policy.rulesBlockedBy(names);
      if (rules.length > 0) {
        logger.warn({ rules, quarantined: names }, "rules cannot be met while these operators do not count");
      }
    }
    for (const listener of this.#listeners) listener(this.#inForce);
  }

  async #write(records: readonly QuarantineRecord[]): Promise<void> {
    const bytes = Buffer.from(formatQuarantineRecords(records));
    try {
      await this.#files.write([{ path: this.#path, bytes }]);
    } catch (cause) {
      throw new TrustixError("STORAGE_FAILED", `${this.#path} cannot be written`, { cause });
    }
  }

  #known(operator: string): void {
    if (this.#operators.includes(operator)) return;
    throw new TrustixError("NOT_FOUND", `no operator is called ${JSON.stringify(operator.slice(0, 64))}`, {
      hint: `Operators of this node: ${this.#operators.join(", ") || "none"}.`,
    });
  }

  #change(action: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(action);
    this.#changes = done.catch(() => {});
    return done;
  }
}
