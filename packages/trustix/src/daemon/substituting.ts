// The substituter of a configuration: its upstream caches, its key, and the policy's word as it wants to hear it.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { createVerifier, parsePublicKey } from "@trustix/nix";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import { parseNetrc } from "../fetch/netrc.ts";
import { type OpenRemoteOptions, openRemote } from "../fetch/open-remote.ts";
import { findProgram } from "../nix/find-program.ts";
import type { PolicyDecision } from "../policy/policy.ts";
import type { Decide, SubstituteDecision } from "../substitute/decision.ts";
import type { SubstituterEvent } from "../substitute/events.ts";
import { Substituter, type UpstreamOptions } from "../substitute/substituter.ts";
import { VERSION } from "../version.ts";
import type { Quarantined } from "../votes/quarantine.ts";
import type { Decisions } from "./decisions.ts";
import { loadCacheKey } from "./key-files.ts";

/** The logins of a netrc file. @throws TrustixError `CONFIG_INVALID` when it cannot be read */
export async function readNetrc(path: string | undefined): Promise<OpenRemoteOptions["netrc"]> {
  if (path === undefined) return undefined;
  try {
    return parseNetrc(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code;
    throw new TrustixError("CONFIG_INVALID", `substitute.netrc-file ${path} cannot be read (${reason})`, {
      cause,
    });
  }
}

/** Each verifies one NAR, with a dictionary of up to 64 MiB. */
const MAX_XZ_WORKERS = 8;

/** How long a decision is taken for the present one: clients ask for narinfo and NAR of a path in one breath. */
const PRESENT_MS = 1000;
const MAX_PRESENT = 10_000;

/** What decides, by which policy, and who does not count then. */
export interface Decider extends Pick<Decisions, "decide"> {
  readonly policy: object;
  readonly quarantine: Pick<Quarantined, "list">;
}

/** The decision on a path as the substituter takes it: anew once anybody else is in quarantine, or the policy is another one. */
export function decideFor(decisions: Decider, now: () => number): Decide {
  const present = new Map<string, { readonly decision: SubstituteDecision; readonly untilMs: number }>();
  let [policy, silenced] = [decisions.policy, decisions.quarantine.list()];
  const remember = (
    hashPart: string,
    decided: PolicyDecision,
    underPolicy: object,
    underSilenced: typeof silenced,
  ): SubstituteDecision => {
    const decision = toSubstitute(decided);
    if (underPolicy !== decisions.policy || underSilenced !== decisions.quarantine.list()) return decision;
    // Anew at the end: the map's first is the oldest.
    present.delete(hashPart);
    present.set(hashPart, { decision, untilMs: now() + PRESENT_MS });
    if (present.size > MAX_PRESENT) present.delete(present.keys().next().value as string);
    return decision;
  };
  return (hashPart, { signal }) => {
    const [by, without] = [decisions.policy, decisions.quarantine.list()];
    if (policy !== by || silenced !== without) {
      present.clear();
      [policy, silenced] = [by, without];
    }
    const last = present.get(hashPart);
    if (last !== undefined && now() < last.untilMs) return last.decision;
    const decided = decisions.decide({ hashPart }, signal);
    return decided instanceof Promise
      ? decided.then((late) => remember(hashPart, late, by, without))
      : remember(hashPart, decided, by, without);
  };
}

function toSubstitute(decision: PolicyDecision): SubstituteDecision {
  const { explanation } = decision;
  return decision.accepted
    ? { accepted: true, statement: decision.statement, explanation }
    : { accepted: false, reason: decision.reason, explanation };
}

/**
 * Makes the substituter.
 * @throws TrustixError `KEY_UNUSABLE`, `CONFIG_INVALID`, `INVALID_ARGUMENT`
 */
export async function createSubstituter(
  config: Config,
  keyFile: string,
  decisions: Decisions,
  onEvent: (event: SubstituterEvent) => void,
): Promise<Substituter> {
  const { priority, wantMassQuery, selfProving, budget, verifyBeforeSend, maxDownloads, memory } =
    config.substitute;
  const now = (): number => performance.now();
  const signer = await loadCacheKey(keyFile);
  const netrc = await readNetrc(config.substitute.netrcFile);
  const upstreams: UpstreamOptions[] = [];
  for (const { name, url, priority, publicKeys, narOrigins } of config.upstream) {
    const verifiers = await Promise.all(publicKeys.map((key) => createVerifier(parsePublicKey(key))));
    const remote = openRemote(url, { foreign: narOrigins, netrc, userAgent: `trustix/${VERSION}` });
    upstreams.push({ name, remote, priority, verifiers });
  }
  return new Substituter(
    {
      upstreams,
      storeDir: config.nix.storeDir,
      priority,
      wantMassQuery,
      selfProving,
      budgetMs: budget,
      verifyFirstBytes: verifyBeforeSend,
      xzWorkers: Math.min(MAX_XZ_WORKERS, Math.max(2, availableParallelism())),
      xzProgram: await findProgram("xz", process.env.PATH),
      maxDownloads,
      cacheBytes: memory,
    },
    { decide: decideFor(decisions, now), signer, now, onEvent },
  );
}
