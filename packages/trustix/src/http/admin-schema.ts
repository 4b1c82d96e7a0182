/**
 * The shapes of what a node is asked and answers about its own logs, its subscriptions and its decisions. What is said of
 * paths and builders at large is in `insight-schema.ts`. Fields are added in later versions, never changed, so objects
 * may have more than what stands here.
 */
import * as z from "zod";

const count = z.int().min(0);
const timeMs = z.number().meta({ description: "Milliseconds since 1970." });
const text = z.string().max(65_536);

/** Claims of one request; a request is one transaction of the caller's patience, not of the log. */
const MAX_CLAIMS = 10_000;
/** Paths of one request. */
const MAX_PATHS = 100_000;

/** An index as it stands in a query. */
export const indexText = z
  .string()
  .regex(/^(0|[1-9]\d{0,15})$/)
  .transform(Number)
  .refine(Number.isSafeInteger);

export const pathClaimsSchema = z
  .strictObject({
    paths: z.array(z.string().max(1024)).min(1).max(MAX_CLAIMS),
    wait: z.boolean().default(false),
  })
  .meta({ id: "PathClaims", description: "Store paths of this machine, for a log of protocol `nix`." });

export const rawClaimsSchema = z
  .strictObject({
    claims: z
      .array(z.strictObject({ key: text, value: text, encoding: z.enum(["text", "hex"]).optional() }))
      .min(1)
      .max(MAX_CLAIMS),
    wait: z.boolean().default(false),
  })
  .meta({ id: "RawClaims", description: "Keys and values, for a log of protocol `raw`." });

export const claimsAnswerSchema = z
  .strictObject({
    claims: z.array(
      z.strictObject({
        /** The store path, or the key of a `raw` claim as it was given. */
        key: z.string(),
        /** `claimed`: durable in the log at `index`. Otherwise it is not in the log, for the `reason`. */
        status: z.enum(["claimed", "gone", "replaced", "damaged", "refused"]),
        index: count.optional(),
        /** False when the log had this very statement already. */
        isNew: z.boolean().optional(),
        reason: z.string().optional(),
        /** A `.tlog-proof`, with `wait`. */
        proof: z.string().optional(),
      }),
    ),
  })
  .meta({ id: "ClaimsAnswer" });

export const logProofQuerySchema = z.strictObject({
  index: indexText.optional(),
  /** A store path, or a `raw` key in text: its newest claim. Give this or `index`. */
  key: text.optional(),
  wait: z.enum(["true", "false"]).optional(),
});

export const backfillRequestSchema = z
  .strictObject({
    roots: z.array(z.string().max(1024)).min(1).max(MAX_CLAIMS).optional(),
    "include-imported": z.boolean().default(false),
  })
  .meta({ id: "BackfillRequest", description: "What to claim: closures, or the whole store." });

export const backfillLineSchema = z
  .looseObject({ listed: count, known: count, foreign: count, claimed: count, failed: count })
  .meta({ id: "BackfillProgress" });

const lastError = z.looseObject({ atMs: timeMs, code: z.string(), message: z.string() }).optional();
const listened = {
  subscription: z.string(),
  operator: z.string(),
  address: z.string(),
  lastGoodAtMs: timeMs.optional(),
  lastError,
  /** Decisions since the start that accepted what it states, and those that accepted something else. */
  agreed: count,
  dissented: count,
};

const subscriptionSchema = z
  .discriminatedUnion("kind", [
    z.looseObject({
      kind: z.literal("log"),
      ...listened,
      origin: z.string(),
      health: z.enum(["starting", "reading", "ok", "stale", "failing", "full", "quarantined"]),
      /** Entries of the newest accepted checkpoint. */
      size: count,
      root: z.string(),
      /** Entries not read yet. */
      lag: count,
      claims: count,
      unreadableEntries: count,
      surplusClaims: count,
      statementBytes: count,
      /** When the newest checkpoint was first seen. */
      lastNewAtMs: timeMs.optional(),
      /** Why the log does not count any more. */
      fault: z
        .looseObject({ kind: z.string(), reason: z.string(), evidence: z.string(), atMs: timeMs })
        .optional(),
    }),
    z.looseObject({
      kind: z.literal("cache"),
      ...listened,
      health: z.enum(["starting", "ok", "failing", "resting"]),
      requests: count,
      failures: count,
      restsUntilMs: timeMs.optional(),
    }),
  ])
  .meta({ id: "Subscription" });

export const subscriptionsSchema = z
  .strictObject({ subscriptions: z.array(subscriptionSchema) })
  .meta({ id: "Subscriptions" });

export const statusSchema = z
  .looseObject({
    version: z.string(),
    /** Not on the public listener. */
    pid: count.optional(),
    uptimeMs: count,
    /** Addresses of the public listener. */
    listen: z.array(z.string()),
    logs: z.array(
      z.looseObject({
        name: z.string(),
        protocol: z.enum(["nix", "raw"]),
        origin: z.string(),
        vkey: z.string(),
        publishedSize: count,
        pending: count,
      }),
    ),
    policy: z.looseObject({
      mode: z.enum(["enforce", "report"]),
      operators: z.array(z.string()),
      /** Those of them that do not count now. */
      quarantined: z.array(z.string()),
      /** Who must agree where no rule matches; absent when the node decides nothing. */
      default: z
        .looseObject({
          needed: count,
          members: z.array(z.string()),
          /** Operators whose word alone is enough. */
          alone: z.array(z.string()),
        })
        .optional(),
    }),
    subscriptions: z.array(subscriptionSchema),
    /** Absent when the substituter is off. */
    substituter: z
      .looseObject({
        narInfos: count,
        nars: count,
        narBytes: count,
        refusals: z.record(z.string(), count),
        upstreams: z.array(z.looseObject({ name: z.string(), state: z.enum(["ok", "failing", "skipped"]) })),
      })
      .optional(),
  })
  .meta({ id: "Status" });

export const clearRequestSchema = z
  .strictObject({ forget: z.boolean().default(false) })
  .meta({ id: "ClearRequest" });

const verdict = {
  accepted: z.boolean(),
  label: z.string().nullable(),
  basis: z.string().nullable(),
  reason: z.string().nullable(),
  explanation: z.string(),
};

const quorumSchema = z
  .looseObject({
    kind: z.enum(["operator", "group"]),
    met: z.boolean(),
    operator: z.string().optional(),
    name: z.string().optional(),
    count: count.optional(),
    threshold: z.number().optional(),
    get members() {
      return z.array(quorumSchema).optional();
    },
  })
  .meta({ id: "QuorumOutcome" });

export const explanationSchema = z
  .looseObject({
    version: z.literal(1),
    hashPart: z.string(),
    storePath: z.string().nullable(),
    mode: z.enum(["enforce", "report"]),
    ...verdict,
    rule: z.looseObject({ name: z.string(), because: z.string() }),
    /** The best supported statement's way through the rule's quorum. */
    quorum: quorumSchema.nullable(),
    enforced: z.looseObject(verdict),
    statements: z.array(
      z.looseObject({
        label: z.string(),
        statement: z.string(),
        storePath: z.string().nullable(),
        narHash: z.string().nullable(),
        narSize: count.nullable(),
        operators: z.array(z.string()),
      }),
    ),
    votes: z.array(
      z.looseObject({
        operator: z.string(),
        counts: z.boolean(),
        vote: z.string(),
        labels: z.array(z.string()),
        reason: z.string().nullable(),
        sources: z.array(
          z.looseObject({
            subscription: z.string(),
            label: z.string(),
            evidence: z.enum(["logged", "signed"]),
            index: count.nullable(),
            seenAt: z.string().nullable(),
            keyName: z.string().nullable(),
            checkpoint: z.looseObject({ treeSize: count, rootHash: z.string() }).nullable(),
          }),
        ),
      }),
    ),
  })
  .meta({ id: "Explanation", description: "A decision, with all votes and why it came out as it did." });

export const decisionsRequestSchema = z
  .strictObject({
    paths: z
      .array(z.strictObject({ what: z.string().max(300), proven: z.string().max(65_536).optional() }))
      .min(1)
      .max(MAX_PATHS),
  })
  .meta({ id: "DecisionsRequest" });

export const decisionLineSchema = z
  .looseObject({ hashPart: z.string(), accepted: z.boolean(), explanation: z.string() })
  .meta({ id: "Decision" });

export const storePathsSchema = z.strictObject({ paths: z.array(z.string()) }).meta({ id: "StorePaths" });

export const answersLineSchema = z
  .looseObject({ hashPart: z.string(), answers: z.array(z.unknown()) })
  .meta({ id: "Answers" });

export const evidenceListSchema = z
  .strictObject({ evidence: z.array(z.string()) })
  .meta({ id: "EvidenceList" });

/** Every refusal. */
export const errorSchema = z
  .strictObject({
    error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }),
  })
  .meta({ id: "Error" });

export type RawClaimsBody = z.output<typeof rawClaimsSchema>;
/** What to backfill: the closure of some paths, or the whole store. */
export type BackfillBody = z.output<typeof backfillRequestSchema>;
