/** What the API asks of whoever analyses; see `insight-schema.ts` for what the answers mean. */
import type {
  BuildersJson,
  LiveEventJson,
  OverviewJson,
  PathDetailJson,
  PathPageJson,
  PathsQuery,
  ReportJson,
  ReportRequest,
} from "./insight-schema.ts";

/** Analysis of all that the node has read, as the API uses it. Every method rejects with `CLOSED` when the node is stopping. */
export interface ApiInsight {
  overview(): Promise<OverviewJson>;
  builders(): Promise<BuildersJson>;
  /** @throws TrustixError `INVALID_ARGUMENT` for a cursor that was not handed out for this query */
  paths(query: PathsQuery): Promise<PathPageJson>;
  /** @throws TrustixError `NOT_FOUND` when nobody has a claim on it */
  path(hashPart: string): Promise<PathDetailJson>;
  /** @throws TrustixError `INVALID_ARGUMENT` for a path that is none, or a span that ends before it begins */
  report(request: ReportRequest, signal: AbortSignal): Promise<ReportJson>;
  /** The present state. */
  live(): LiveEventJson;
  /** Calls `listener` after each change, at most once a second, until it is disposed. */
  onChange(listener: (event: LiveEventJson) => void): Disposable;
}
