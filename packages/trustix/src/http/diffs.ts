/** What the API asks of whoever compares outputs; see `diff-schema.ts` for what the answers mean. */
import type { DiffEventJson, PathDiffJson } from "./diff-schema.ts";

/** Two outputs to compare. */
export interface DiffRequest {
  readonly hashPart: string;
  /** `sha256:<nix32>`. Default: what most operators state. */
  readonly before?: string | undefined;
  /** Default: the most supported one besides `before`. */
  readonly after?: string | undefined;
  /**
   * Answer from what was compared before and download nothing: for listeners that strangers can reach. Default false.
   */
  readonly keptOnly?: boolean | undefined;
}

/**
 * Comparisons of outputs, as the API uses them. Both methods reject with a TrustixError: `NOT_FOUND` when nobody states
 * such an output, when there are not two of them, or with `keptOnly` when they were not compared yet; `NAR_UNAVAILABLE`
 * when no cache delivers the bytes that were stated, or they are larger than this node compares; `PUSHBACK` when too many
 * comparisons wait; `CLOSED` when the node is stopping.
 */
export interface ApiDiffs {
  /** Compares, or remembers. Takes as long as downloading both NARs: seconds to minutes. */
  diff(request: DiffRequest, signal: AbortSignal): Promise<PathDiffJson>;
  /**
   * As {@link diff}, with what is going on meanwhile; the last event has the result. For
   * `GET /api/v1/paths/:hash/diff/events`, in lines of JSON, at the admin API only.
   */
  watch(request: DiffRequest, signal: AbortSignal): AsyncIterable<DiffEventJson>;
}
