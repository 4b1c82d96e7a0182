// The node's own logs, as a part of the API: submissions, proofs, backfill.
import { TrustixError } from "../errors.ts";
import { type BackfillBody, pathClaimsSchema, type RawClaimsBody, rawClaimsSchema } from "./admin-schema.ts";
import { checked } from "./api-parts.ts";
import type { RateLimiter } from "./rate-limit.ts";
import type { Handlers } from "./serve-operations.ts";

/** What became of one submitted claim. */
export interface ClaimResult {
  /** The store path, or the key of a `raw` claim as it was given. */
  readonly key: string;
  /** `claimed`: durable in the log at `index`. Otherwise it is not in the log, for the `reason`. */
  readonly status: "claimed" | "gone" | "replaced" | "damaged" | "refused";
  readonly index?: number | undefined;
  /** False when the log had this very statement already. */
  readonly isNew?: boolean | undefined;
  readonly reason?: string | undefined;
}

/** A `raw` key and value, as bytes. */
export interface RawSubmission {
  readonly label: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One log, as the API uses it. */
export interface ApiLog {
  readonly name: string;
  readonly protocol: "nix" | "raw";
  /**
   * Claims store paths; only logs of protocol `nix`. Settles once each claim is durable.
   * @throws TrustixError `PUSHBACK`, `INVALID_ARGUMENT`
   */
  submitPaths(paths: readonly string[], signal: AbortSignal): Promise<readonly ClaimResult[]>;
  /** Claims keys and values; only logs of protocol `raw`. As {@link ApiLog.submitPaths}. */
  submitRaw(claims: readonly RawSubmission[], signal: AbortSignal): Promise<readonly ClaimResult[]>;
  /**
   * The `.tlog-proof` of a claim against the published checkpoint. With `wait`, once it is published.
   * @throws TrustixError `NOT_FOUND` when there is no such claim, or it is not published and `wait` is false
   */
  proof(index: number, options: { readonly wait: boolean; readonly signal: AbortSignal }): Promise<string>;
  /** Indices of the claims on a store path, or on the UTF-8 bytes of a `raw` key, oldest first. */
  find(key: string): Promise<readonly number[]>;
  /** Publishes what the store has, reporting now and then. */
  backfill(request: BackfillBody, signal: AbortSignal): AsyncIterable<unknown>;
  status(): unknown;
}

/** How long a request may wait for publication. */
const MAX_WAIT_MS = 60_000;

/** Carries out what is asked of the node's own logs. */
export function logHandlers(options: {
  readonly logs: ReadonlyMap<string, ApiLog>;
  readonly limiter: RateLimiter;
}): Handlers<"submitClaims" | "proveClaim" | "backfill"> {
  const logNamed = (name: string): ApiLog => {
    const log = options.logs.get(name);
    if (log !== undefined) return log;
    const known = [...options.logs.keys()].join(", ");
    throw new TrustixError("NOT_FOUND", `this node has no log ${name}`, {
      hint: `Its logs: ${known || "none"}.`,
    });
  };
  const spend = (client: string, claims: number): void => {
    const retryAfterMs = options.limiter.take(client, claims);
    if (retryAfterMs === 0) return;
    throw new TrustixError("RATE_LIMITED", "too many claims in too short a time", {
      retryAfterMs,
      hint: "Wait as long as Retry-After says, or raise `[api] claims-per-second`.",
    });
  };
  const patiently = (signal: AbortSignal): AbortSignal =>
    AbortSignal.any([signal, AbortSignal.timeout(MAX_WAIT_MS)]);

  return {
    submitClaims: async ({ params, body: given, client, signal: gone }) => {
      const log = logNamed(params.log);
      const signal = patiently(gone);
      let results: readonly ClaimResult[];
      let wait: boolean;
      if (log.protocol === "nix") {
        const body = checked(pathClaimsSchema, given, "body");
        spend(client, body.paths.length);
        wait = body.wait;
        results = await log.submitPaths(body.paths, signal);
      } else {
        const body = checked(rawClaimsSchema, given, "body");
        const claims = body.claims.map(rawSubmission);
        spend(client, claims.length);
        wait = body.wait;
        results = await log.submitRaw(claims, signal);
      }
      if (!wait) return { claims: results };
      const claims = [];
      for (const result of results) {
        // Thousands of proofs take a while; nobody may be there any more.
        signal.throwIfAborted();
        const { index } = result;
        claims.push(
          index === undefined ? result : { ...result, proof: await log.proof(index, { wait, signal }) },
        );
      }
      return { claims };
    },

    proveClaim: async ({ params, query: { index: given, key, wait }, signal }) => {
      const log = logNamed(params.log);
      if ((given === undefined) === (key === undefined)) {
        throw new TrustixError("REQUEST_INVALID", "query: give either `index` or `key`");
      }
      const index = given ?? (await log.find(key!)).at(-1);
      if (index === undefined)
        throw new TrustixError("NOT_FOUND", `log ${log.name} has no claim on that key`);
      return log.proof(index, { wait: wait === "true", signal: patiently(signal) });
    },

    backfill: async ({ params, body, signal }) => logNamed(params.log).backfill(body, signal),
  };
}

function rawSubmission({ key, value, encoding }: RawClaimsBody["claims"][number], at: number): RawSubmission {
  const bytes = { label: key, key: bytesOf(encoding, key), value: bytesOf(encoding, value) };
  if (bytes.key !== undefined && bytes.value !== undefined) return bytes as RawSubmission;
  const form = encoding === "hex" ? "lower-case hex" : "Unicode text";
  throw new TrustixError("REQUEST_INVALID", `body at claims.${at}: not ${form}`);
}

function bytesOf(encoding: "text" | "hex" | undefined, value: string): Uint8Array | undefined {
  if (encoding !== "hex") return value.isWellFormed() ? Buffer.from(value, "utf8") : undefined;
  return /^(?:[0-9a-f]{2})*$/.test(value) ? Buffer.from(value, "hex") : undefined;
}
