// The substituter of a configuration: its upstream caches, its key, and the policy's word as it wants to hear it.
import { readFile } from "node:fs/promises";
import { createVerifier, parsePublicKey } from "@trustix/nix";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import { parseNetrc } from "../fetch/netrc.ts";
import { type OpenRemoteOptions, openRemote } from "../fetch/open-remote.ts";
import type { Decide } from "../substitute/decision.ts";
import type { SubstituterEvent } from "../substitute/events.ts";
import { Substituter, type UpstreamOptions } from "../substitute/substituter.ts";
import { VERSION } from "../version.ts";
import type { Decisions } from "./decisions.ts";
import { loadCacheKey } from "./key-files.ts";

async function readNetrc(path: string | undefined): Promise<OpenRemoteOptions["netrc"]> {
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

/** The decision on a path as the substituter takes it. */
function decideFor(decisions: Decisions): Decide {
  return async (hashPart, { signal }) => {
    const decision = await decisions.decide({ hashPart }, signal);
    const { explanation } = decision;
    return decision.accepted
      ? { accepted: true, statement: decision.statement, explanation }
      : { accepted: false, reason: decision.reason, explanation };
  };
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
  const signer = await loadCacheKey(keyFile);
  const netrc = await readNetrc(config.substitute.netrcFile);
  const upstreams: UpstreamOptions[] = [];
  for (const { name, url, publicKeys, narOrigins } of config.upstream) {
    const verifiers = await Promise.all(publicKeys.map((key) => createVerifier(parsePublicKey(key))));
    const remote = openRemote(url, { foreign: narOrigins, netrc, userAgent: `trustix/${VERSION}` });
    upstreams.push({ name, remote, verifiers });
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
      maxDownloads,
      cacheBytes: memory,
    },
    { decide: decideFor(decisions), signer, now: () => performance.now(), onEvent },
  );
}
