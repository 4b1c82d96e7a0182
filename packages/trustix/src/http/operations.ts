// Every operation of the JSON API: method, path, what goes in and what comes out. The routes and the OpenAPI document are
// both made from this table, so neither can say what the other does not do.
import * as z from "zod";
import {
  answersLineSchema,
  backfillLineSchema,
  backfillRequestSchema,
  claimsAnswerSchema,
  clearRequestSchema,
  decisionLineSchema,
  decisionsRequestSchema,
  evidenceListSchema,
  explanationSchema,
  indexText,
  logProofQuerySchema,
  pathClaimsSchema,
  rawClaimsSchema,
  statusSchema,
  storePathsSchema,
  subscriptionsSchema,
} from "./admin-schema.ts";
import { diffEventSchema, diffQuerySchema, pathDiffSchema } from "./diff-schema.ts";
import {
  buildersSchema,
  checkpointsSchema,
  entriesQuerySchema,
  entriesSchema,
  hashPartSchema,
  liveEventSchema,
  overviewSchema,
  pathDetailSchema,
  pathPageSchema,
  pathsQuerySchema,
  reportQuerySchema,
  reportRequestSchema,
  reportSchema,
} from "./insight-schema.ts";
import { quarantineRequestSchema, quarantineSchema } from "./quarantine-schema.ts";
import { reloadSchema } from "./reload-schema.ts";

/** What an operation answers when all is well. */
export type OperationAnswer =
  | { readonly type: "application/json"; readonly schema: z.ZodType }
  /** One JSON object a line. */
  | { readonly type: "application/x-ndjson"; readonly schema: z.ZodType }
  | { readonly type: "text/event-stream"; readonly schema: z.ZodType }
  | { readonly type: "text/plain" }
  /** A file that is JSON by itself, sent as it is. */
  | { readonly type: "application/json"; readonly schema?: never };

/** One operation. */
export interface Operation {
  readonly method: "GET" | "POST";
  /** With parameters in braces. */
  readonly path: string;
  readonly tag: "insight" | "decisions" | "subscriptions" | "logs" | "node";
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  /** By name in the path. */
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** The handler checks the body: what it has to be depends on more than the request. */
  readonly isBodyOpen?: boolean;
  /** Where it is larger than what the listener takes of any operation. */
  readonly maxBodyBytes?: number;
  readonly answer: OperationAnswer;
  /** It asks others, or takes long: at the public listener few of these are under way at a time. */
  readonly isCostly?: boolean;
  /** Whether the public listener has it, too. Only for what reads, and is cheap or bounded by the handler. */
  readonly isPublic: boolean;
}

const name = z.string().min(1).max(200);
const what = z.string().min(1).max(300);
const hash = hashPartSchema;

const json = <T extends z.ZodType>(schema: T) => ({ type: "application/json", schema }) as const;
const lines = <T extends z.ZodType>(schema: T) => ({ type: "application/x-ndjson", schema }) as const;

/** All operations, by the name that the document gives them. */
export const OPERATIONS = {
  getOverview: {
    method: "GET",
    path: "/api/v1/overview",
    tag: "insight",
    summary: "What is known of all paths, in numbers, and how it came about",
    answer: json(overviewSchema),
    isPublic: true,
  },
  getBuilders: {
    method: "GET",
    path: "/api/v1/builders",
    tag: "insight",
    summary: "How each builder fares, who agrees with whom, and who is suspected",
    answer: json(buildersSchema),
    isPublic: true,
  },
  findPaths: {
    method: "GET",
    path: "/api/v1/paths",
    tag: "insight",
    summary: "Searches and lists paths, a page at a time",
    description:
      "Names that begin with `q` come first, then those that contain it, then paths whose hash part begins with it (three characters or more, at most 1,000 paths). A whole store path finds itself.",
    query: pathsQuerySchema,
    answer: json(pathPageSchema),
    isPublic: true,
  },
  getPath: {
    method: "GET",
    path: "/api/v1/paths/{hash}",
    tag: "insight",
    summary: "All that is known of one path: statements, claims, history",
    params: { hash },
    answer: json(pathDetailSchema),
    isPublic: true,
  },
  diffPath: {
    method: "GET",
    path: "/api/v1/paths/{hash}/diff",
    tag: "insight",
    summary: "What differs between two outputs that were stated for a path",
    description:
      "Downloads both unless they were compared before, which may take minutes. A public listener that strangers can reach only answers with what was compared before.",
    params: { hash },
    query: diffQuerySchema,
    answer: json(pathDiffSchema),
    isCostly: true,
    isPublic: true,
  },
  watchDiff: {
    method: "GET",
    path: "/api/v1/paths/{hash}/diff/events",
    tag: "insight",
    summary: "As `diffPath`, with what is going on meanwhile; the last line has the result",
    params: { hash },
    query: diffQuerySchema,
    answer: lines(diffEventSchema),
    isPublic: false,
  },
  getReport: {
    method: "GET",
    path: "/api/v1/report",
    tag: "insight",
    summary: "Reproducible, disputed, single: counted over what the query selects",
    query: reportQuerySchema,
    answer: json(reportSchema),
    isCostly: true,
    isPublic: true,
  },
  makeReport: {
    method: "POST",
    path: "/api/v1/report",
    tag: "insight",
    summary: "As `getReport`, also over a list of paths, of which unknown ones count as unchecked",
    body: reportRequestSchema,
    maxBodyBytes: 64 << 20,
    answer: json(reportSchema),
    isPublic: false,
  },
  watchChanges: {
    method: "GET",
    path: "/api/v1/events",
    tag: "insight",
    summary: "Server-sent events: one `change` at once, and one after each change, at most once a second",
    answer: { type: "text/event-stream", schema: liveEventSchema },
    isPublic: true,
  },
  explainDecision: {
    method: "GET",
    path: "/api/v1/decisions/{what}",
    tag: "decisions",
    summary: "Asks every subscription about `<hash part>` or `<hash part>-<name>` now, decides and explains",
    params: { what },
    answer: json(explanationSchema),
    isCostly: true,
    isPublic: true,
  },
  decide: {
    method: "POST",
    path: "/api/v1/decisions",
    tag: "decisions",
    summary: "Decides on many paths, in their order",
    body: decisionsRequestSchema,
    answer: lines(decisionLineSchema),
    isPublic: false,
  },
  findStorePaths: {
    method: "GET",
    path: "/api/v1/store-paths",
    tag: "decisions",
    summary:
      "Store paths of a name, or of any version of it, that subscribed logs have claims on; at most 1,000",
    query: z.strictObject({ name: z.string().min(1).max(211) }),
    answer: json(storePathsSchema),
    isPublic: false,
  },
  listAnswers: {
    method: "GET",
    path: "/api/v1/answers",
    tag: "decisions",
    summary: "What the subscribed logs say of every path that any of them has a claim on",
    answer: lines(answersLineSchema),
    isPublic: false,
  },
  listSubscriptions: {
    method: "GET",
    path: "/api/v1/subscriptions",
    tag: "subscriptions",
    summary: "Every subscription and how it fares, logs first",
    answer: json(subscriptionsSchema),
    isPublic: true,
  },
  clearSubscription: {
    method: "POST",
    path: "/api/v1/subscriptions/{name}/clear",
    tag: "subscriptions",
    summary: "Lets a log that was found to misbehave count again",
    params: { name },
    body: clearRequestSchema,
    answer: json(z.strictObject({})),
    isPublic: false,
  },
  listCheckpoints: {
    method: "GET",
    path: "/api/v1/subscriptions/{name}/checkpoints",
    tag: "subscriptions",
    summary: "The newest checkpoints of a log that were accepted, as it signed them",
    params: { name },
    answer: json(checkpointsSchema),
    isPublic: true,
  },
  listEntries: {
    method: "GET",
    path: "/api/v1/subscriptions/{name}/entries",
    tag: "subscriptions",
    summary: "Entries of a log, newest first, fetched from it and checked against its newest checkpoint",
    params: { name },
    query: entriesQuerySchema,
    answer: json(entriesSchema),
    isCostly: true,
    isPublic: true,
  },
  proveEntry: {
    method: "GET",
    path: "/api/v1/subscriptions/{name}/proof",
    tag: "subscriptions",
    summary: "The `.tlog-proof` of an entry of a log, with the entry in its `extra`",
    params: { name },
    query: z.strictObject({ index: indexText }),
    answer: { type: "text/plain" },
    isCostly: true,
    isPublic: true,
  },
  proveContradiction: {
    method: "GET",
    path: "/api/v1/subscriptions/{name}/contradiction",
    tag: "subscriptions",
    summary: "A file of evidence that a log states two things of one path",
    params: { name },
    query: z.strictObject({ what }),
    answer: { type: "application/json" },
    isCostly: true,
    isPublic: true,
  },
  listEvidence: {
    method: "GET",
    path: "/api/v1/evidence",
    tag: "subscriptions",
    summary: "Names of the files of evidence that were kept",
    answer: json(evidenceListSchema),
    isPublic: true,
  },
  getEvidence: {
    method: "GET",
    path: "/api/v1/evidence/{file}",
    tag: "subscriptions",
    summary: "One of the files of evidence",
    params: { file: name },
    answer: { type: "application/json" },
    isPublic: true,
  },
  getQuarantine: {
    method: "GET",
    path: "/api/v1/quarantine",
    tag: "decisions",
    summary: "Who is in quarantine and why, and who is suspected",
    answer: json(quarantineSchema),
    isPublic: true,
  },
  quarantineOperator: {
    method: "POST",
    path: "/api/v1/quarantine/{operator}",
    tag: "decisions",
    summary: "Puts an operator in quarantine: it does not count any more",
    params: { operator: name },
    body: quarantineRequestSchema,
    answer: json(quarantineSchema),
    isPublic: false,
  },
  releaseOperator: {
    method: "POST",
    path: "/api/v1/quarantine/{operator}/release",
    tag: "decisions",
    summary: "Lets an operator in quarantine count again",
    params: { operator: name },
    body: quarantineRequestSchema,
    answer: json(quarantineSchema),
    isPublic: false,
  },
  submitClaims: {
    method: "POST",
    path: "/api/v1/logs/{log}/claims",
    tag: "logs",
    summary: "Claims store paths, or `raw` keys and values; answers once they are on stable storage",
    params: { log: name },
    body: z.union([pathClaimsSchema, rawClaimsSchema]),
    isBodyOpen: true,
    answer: json(claimsAnswerSchema),
    isPublic: false,
  },
  proveClaim: {
    method: "GET",
    path: "/api/v1/logs/{log}/proof",
    tag: "logs",
    summary: "The `.tlog-proof` of a claim in one of the node's own logs",
    params: { log: name },
    query: logProofQuerySchema,
    answer: { type: "text/plain" },
    isPublic: false,
  },
  backfill: {
    method: "POST",
    path: "/api/v1/logs/{log}/backfill",
    tag: "logs",
    summary: "Claims what the local store has, and says how far it is",
    params: { log: name },
    body: backfillRequestSchema,
    answer: lines(backfillLineSchema),
    isPublic: false,
  },
  reloadConfig: {
    method: "POST",
    path: "/api/v1/reload",
    tag: "node",
    summary: "Reads the configuration file again: the policy is replaced, all else that changed is named",
    body: z.strictObject({}),
    answer: json(reloadSchema),
    isPublic: false,
  },
  getStatus: {
    method: "GET",
    path: "/api/v1/status",
    tag: "node",
    summary: "The node, its logs, its subscriptions and its substituter",
    description: "The public listener leaves out what only concerns its operator.",
    answer: json(statusSchema),
    isPublic: true,
  },
  getDocument: {
    method: "GET",
    path: "/api/v1/openapi.json",
    tag: "node",
    summary: "This document",
    answer: json(z.looseObject({ openapi: z.string() })),
    isPublic: true,
  },
  getMetrics: {
    method: "GET",
    path: "/metrics",
    tag: "node",
    summary: "Metrics in Prometheus' text format",
    answer: { type: "text/plain" },
    isPublic: false,
  },
} as const satisfies Record<string, Operation>;

/** Name of an operation. */
export type OperationName = keyof typeof OPERATIONS;
