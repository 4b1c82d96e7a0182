// What is known of all paths and builders, as a part of the API.
import { TrustixError } from "../errors.ts";
import type { ApiDiffs } from "./diffs.ts";
import type { ApiInsight } from "./insight.ts";
import type { LiveStream } from "./live.ts";
import type { Handlers } from "./serve-operations.ts";

/** Disputed paths that a report lists unless asked for more or less. */
const DEFAULT_LISTED = 100;

/** Carries out what is asked of the analysis. */
export function insightHandlers(options: {
  /** Absent: this node listens to nobody. */
  readonly insight: ApiInsight | undefined;
  readonly live: LiveStream | undefined;
  readonly diffs: ApiDiffs | undefined;
  /** Whether strangers reach this listener: then they cause no downloads. */
  readonly isOpen: boolean;
}): Handlers<
  | "getOverview"
  | "getBuilders"
  | "findPaths"
  | "getPath"
  | "diffPath"
  | "watchDiff"
  | "getReport"
  | "makeReport"
  | "watchChanges"
> {
  const { insight, live, diffs, isOpen } = options;
  const required = <T>(part: T | undefined): T => {
    if (part !== undefined) return part;
    throw new TrustixError("NOT_FOUND", "this node listens to nobody", {
      hint: "Add a subscription: `trustix subscribe URL`.",
    });
  };
  return {
    getOverview: async () => required(insight).overview(),
    getBuilders: async () => required(insight).builders(),
    findPaths: async ({ query }) => required(insight).paths(query),
    getPath: async ({ params }) => required(insight).path(params.hash),
    diffPath: async ({ params, query, signal }) =>
      required(diffs).diff({ hashPart: params.hash, ...query, keptOnly: isOpen }, signal),
    watchDiff: async ({ params, query, signal }) =>
      required(diffs).watch({ hashPart: params.hash, ...query }, signal),
    getReport: async ({ query, signal }) =>
      required(insight).report({ ...query, list: query.list ?? DEFAULT_LISTED }, signal),
    makeReport: async ({ body, signal }) => required(insight).report(body, signal),
    watchChanges: async ({ remote }) => required(live).open(remote),
  };
}
