/** Where a reader of a log is: enough to go on after a restart and to notice that the log was rewritten meanwhile. */
import { decodeBase64Exact, encodeBase64, parseDecimal } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import type { TreeHead } from "../merkle/tree-math.ts";

/** A place in a log up to which everything has been read and proven. */
export interface ResumePoint {
  /** Index of the first entry that has not been read. */
  readonly nextIndex: number;
  /** The tree that the entries were proven against. Any later tree must extend it. */
  readonly verified: TreeHead;
}

/** Text form of a resume point: next index, size and base64 root hash, a line each. */
export function formatResumePoint(point: ResumePoint): string {
  return `${point.nextIndex}\n${point.verified.size}\n${encodeBase64(point.verified.root)}\n`;
}

/**
 * Inverse of {@link formatResumePoint}.
 * @throws TlogError INTEGER_INVALID, BASE64_INVALID, RANGE_INVALID
 */
export function parseResumePoint(text: string): ResumePoint {
  const [nextIndex, size, root, ...rest] = text.length <= 100 ? text.split("\n") : [];
  if (nextIndex === undefined || size === undefined || root === undefined || rest.join() !== "") {
    throw new TlogError("RANGE_INVALID", "a resume point has three lines");
  }
  const point = {
    nextIndex: parseDecimal(nextIndex),
    verified: { size: parseDecimal(size), root: decodeBase64Exact(root, 32) },
  };
  checkResumePoint(point);
  if (formatResumePoint(point) !== text)
    throw new TlogError("RANGE_INVALID", "a resume point has three lines");
  return point;
}

/** @throws TlogError RANGE_INVALID if more was read than proven */
export function checkResumePoint({ nextIndex, verified }: ResumePoint): void {
  if (nextIndex > verified.size) {
    throw new TlogError("RANGE_INVALID", `resume point: index ${nextIndex} is beyond size ${verified.size}`);
  }
}
