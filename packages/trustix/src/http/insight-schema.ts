/**
 * The shapes of what a node knows over all paths and builders, as its JSON API answers them. The OpenAPI document and the
 * dashboard's types are made from these schemas. Fields are added in later versions, never changed.
 *
 * Times are ISO 8601 in UTC. Operators are named, never numbered. `sha256:<nix32>` is how NAR hashes are written.
 */
import * as z from "zod";

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const time = z.iso.datetime();
const hashPart = z.string().regex(/^[0-9abcdfghijklmnpqrsvwxyz]{32}$/);

/** The hash part of a store path. */
export const hashPartSchema = hashPart;

export const pathClassSchema = z
  .enum(["unchecked", "single", "unanimous", "majority", "split", "conflicting"])
  .meta({ id: "PathClass", description: "What the operators' claims about one path say together." });
export const pathStatusSchema = z.enum(["reproducible", "disputed", "single", "unchecked"]).meta({
  id: "PathStatus",
  description: "How a report counts a path. One that a single operator built is never called reproducible.",
});

export const statusCountsSchema = z
  .strictObject({ paths: count, reproducible: count, disputed: count, single: count, unchecked: count })
  .meta({ id: "StatusCounts", description: "Paths by status; they add up to `paths`." });

export const intervalSchema = z.strictObject({ low: share, mean: share, high: share }).meta({
  id: "Interval",
  description: "An estimated share: its mean, and the bounds that it is between with 95 %.",
});

export const overviewSchema = z
  .strictObject({
    /** Grows with every change of what the node knows. */
    version: count,
    /** Claims that are stored but not yet analysed. */
    behind: count,
    claims: count,
    total: statusCountsSchema,
    classes: z.record(pathClassSchema, count),
    systems: z.array(statusCountsSchema.extend({ system: z.string().nullable() })),
    /** Expected share of reproducible ones among the paths that two operators or more have built; null before there is an estimate. */
    reproducible: intervalSchema.nullable(),
    operators: count,
    suspects: z.array(z.string()),
    quarantined: z.array(z.string()),
    /** By when paths were first seen, oldest first, at most 400 spans of equal length. */
    timeline: z.strictObject({
      spanMs: count,
      points: z.array(
        z.strictObject({
          at: time,
          /** Paths first seen in the span, by what they are now. */
          counts: statusCountsSchema,
          /** Claims that came in during the span, by operator. */
          claims: z.record(z.string(), count),
          /** Paths that became disputed, or stopped being so, during the span. */
          disputed: count,
          healed: count,
        }),
      ),
    }),
  })
  .meta({ id: "Overview" });

export const builderSchema = z
  .strictObject({
    operator: z.string(),
    /** Names of its subscriptions. */
    subscriptions: z.array(z.string()),
    counts: statusCountsSchema,
    /** Paths in which more than half of those with a claim agree on something else; those where it is the only one. */
    outlier: count,
    alone: count,
    /** Paths about which it contradicts itself. */
    torn: count,
    /** Null before there is an estimate. */
    assessment: z
      .strictObject({
        /** Paths that it shares with another operator: only these say anything of it. */
        paths: count,
        reproduciblePaths: z.number(),
        /** Share of reproducible paths that it built unlike the others, alone. */
        deviation: intervalSchema,
        /** Share of flaky paths where it is bound to differ from everybody. */
        oddness: intervalSchema,
        /** Probability that it deviates, alone or with others. */
        suspicion: share,
        verdict: z.enum(["suspect", "faithful", "unclear"]),
      })
      .nullable(),
    quarantine: z
      .strictObject({ since: time, reason: z.string() })
      .nullable()
      .meta({ description: "Set while the operator does not count because it is in quarantine." }),
  })
  .meta({ id: "Builder" });

export const pathSummarySchema = z
  .strictObject({
    hashPart,
    name: z.string(),
    storePath: z.string(),
    system: z.string().nullable(),
    kind: pathClassSchema,
    status: pathStatusSchema,
    /** Operators that share the statement that most have; empty when two statements share the first place. */
    agreeing: z.array(z.string()),
    /** Operators with a claim that are not among `agreeing`. */
    outliers: z.array(z.string()),
    firstSeen: time,
    /** When its class last changed. */
    changed: time,
  })
  .meta({ id: "PathSummary" });

export const suspicionSchema = z
  .strictObject({
    /** One, mostly; several when they share deviating outputs. */
    operators: z.array(z.string()),
    probability: share,
    /** Share of reproducible paths, built by all of them, on which they deviate together. */
    rate: intervalSchema,
    /** Expected number of such paths. */
    paths: z.number(),
    /** Paths that weigh most, first those that weigh more; at most 50. */
    evidence: z.array(
      pathSummarySchema.extend({
        /** Probability that the suspects deviate here, rather than that the package is flaky or others deviate. */
        probability: share,
        /** What the package's other paths show. */
        context: z.enum(["unknown", "agreed", "outliers", "disputed"]),
      }),
    ),
  })
  .meta({ id: "Suspicion" });

export const buildersSchema = z
  .strictObject({
    version: count,
    builders: z.array(builderSchema),
    /** Row and column by the order of `builders`: paths that both have a claim for, and those in which both say the same. */
    matrix: z.strictObject({ shared: z.array(z.array(count)), agreed: z.array(z.array(count)) }),
    /** Sets that deviate more probably than not, those with most deviating paths first. */
    suspicions: z.array(suspicionSchema),
    /** Null before there is one. */
    estimatedAt: time.nullable(),
  })
  .meta({ id: "Builders" });

export const pathsQuerySchema = z.strictObject({
  /** Part of the name, in any case, or the beginning of a hash part. */
  q: z.string().max(211).optional(),
  status: pathStatusSchema.optional(),
  kind: pathClassSchema.optional(),
  system: z.string().max(64).optional(),
  /** Only paths on which this operator has a claim. */
  operator: z.string().max(64).optional(),
  /** With `operator`: only paths on which it stands against the others. */
  outlier: z.enum(["true", "false"]).optional(),
  sort: z.enum(["name", "changed"]).default("name"),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/)
    .transform(Number)
    .optional(),
  /** `next` of the page before. */
  cursor: z.string().max(600).optional(),
});

export const pathPageSchema = z
  .strictObject({
    version: count,
    items: z.array(pathSummarySchema),
    /** Cursor of the next page; null on the last. Pages stay in order while paths are added. */
    next: z.string().nullable(),
  })
  .meta({ id: "PathPage" });

export const pathDetailSchema = pathSummarySchema
  .extend({
    package: z.string(),
    /** Probability that the path is reproducible; null before there is an estimate, or with a single claim. */
    reproducibility: share.nullable(),
    history: z.strictObject({
      changes: z.array(z.strictObject({ at: time, kind: pathClassSchema })),
      disputed: time.nullable(),
      healed: time.nullable(),
    }),
    /** What was stated, and by whom: where most agree first. */
    statements: z.array(
      z.strictObject({
        statement: z.string(),
        narHash: z.string(),
        narSize: count,
        references: z.array(z.string()),
        claims: z.array(
          z.strictObject({
            operator: z.string(),
            subscription: z.string(),
            /** In the log; null for what a signed cache said. */
            index: count.nullable(),
            seen: time,
          }),
        ),
      }),
    ),
    /** Other paths of the same package: at most 50, newest first. */
    related: z.array(pathSummarySchema),
  })
  .meta({ id: "PathDetail" });

export const checkpointsSchema = z
  .strictObject({
    origin: z.string(),
    vkey: z.string(),
    /** Newest first; at most 100. */
    checkpoints: z.array(z.strictObject({ size: count, root: z.string(), seen: time, note: z.string() })),
  })
  .meta({ id: "Checkpoints" });

export const entriesQuerySchema = z.strictObject({
  /** Only entries with a lower index; from the newest on when absent. */
  before: z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/)
    .transform(Number)
    .refine(Number.isSafeInteger)
    .optional(),
  /** Default 50. */
  limit: z
    .string()
    .regex(/^([1-9]|[1-9]\d|100)$/)
    .transform(Number)
    .optional(),
});

export const entriesSchema = z
  .strictObject({
    /** Entries of the checkpoint that these are proven under. */
    size: count,
    /** Newest first. */
    entries: z.array(
      z.strictObject({
        index: count,
        /** Null when the entry is no claim of the log's protocol. */
        storePath: z.string().nullable(),
        statement: z.string().nullable(),
        /** By name; of several with one name a line each. */
        attributes: z.record(z.string(), z.string()),
      }),
    ),
  })
  .meta({ id: "Entries" });

export const reportRequestSchema = z
  .strictObject({
    /** Hash parts with or without names, one report for these; everything that is known when absent. */
    paths: z.array(z.string().max(300)).max(1_000_000).optional(),
    /** Glob on the name, as in the policy's rules. */
    name: z.string().max(211).optional(),
    system: z.string().max(64).optional(),
    /** Only paths first seen in this span. */
    from: time.optional(),
    until: time.optional(),
    /** Disputed paths that are listed. */
    list: z.int().min(0).max(100_000).default(100),
  })
  .meta({ id: "ReportRequest" });

/** What a report can be asked for in a query: all that is in the request but a list of paths. */
export const reportQuerySchema = reportRequestSchema
  .omit({ paths: true, list: true })
  .extend({
    /** Disputed paths that are listed, at most 1,000; default 100. */
    list: z
      .string()
      .regex(/^(0|[1-9]\d{0,2}|1000)$/)
      .transform(Number)
      .optional(),
  })
  .meta({ id: "ReportQuery" });

export const reportSchema = z
  .strictObject({
    version: count,
    at: time,
    behind: count,
    total: statusCountsSchema,
    classes: z.record(pathClassSchema, count),
    operators: z.array(
      statusCountsSchema.extend({ operator: z.string(), outlier: count, alone: count, torn: count }),
    ),
    systems: z.array(statusCountsSchema.extend({ system: z.string().nullable() })),
    /** By the day in which paths were first seen, oldest first. */
    days: z.array(statusCountsSchema.extend({ day: z.iso.date().nullable() })),
    disputed: z.array(pathSummarySchema),
    /** Disputed paths beyond those listed. */
    unlisted: count,
  })
  .meta({ id: "Report" });

/** What the live stream sends: whenever something has changed, at most once a second. */
export const liveEventSchema = z
  .strictObject({ version: count, claims: count, behind: count, paths: count, disputed: count })
  .meta({ id: "LiveEvent" });

export type PathClassName = z.output<typeof pathClassSchema>;
export type PathStatusName = z.output<typeof pathStatusSchema>;
export type StatusCountsJson = z.output<typeof statusCountsSchema>;
export type IntervalJson = z.output<typeof intervalSchema>;
export type OverviewJson = z.output<typeof overviewSchema>;
export type BuilderJson = z.output<typeof builderSchema>;
export type BuildersJson = z.output<typeof buildersSchema>;
export type SuspicionJson = z.output<typeof suspicionSchema>;
export type PathSummaryJson = z.output<typeof pathSummarySchema>;
export type PathsQuery = z.output<typeof pathsQuerySchema>;
export type PathPageJson = z.output<typeof pathPageSchema>;
export type PathDetailJson = z.output<typeof pathDetailSchema>;
export type CheckpointsJson = z.output<typeof checkpointsSchema>;
export type EntriesQuery = z.output<typeof entriesQuerySchema>;
export type EntriesJson = z.output<typeof entriesSchema>;
export type ReportRequest = z.output<typeof reportRequestSchema>;
export type ReportJson = z.output<typeof reportSchema>;
export type LiveEventJson = z.output<typeof liveEventSchema>;
