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

/**
 * Text form of a resume point: next index, size and base64 root hash, a line each.
 * @throws TlogError RANGE_INVALID for what {@link parseResumePoint} would refuse
 */
export function formatResumePoint(point: ResumePoint): string {
  checkResumePoint(point);
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

/** @throws TlogError RANGE_INVALID for a size, index or root that cannot be one, or if more was read than proven */
export function checkResumePoint({ nextIndex, verified }: ResumePoint): void {
  const { size, root } = verified;
  const isRange = Number.isSafeInteger(nextIndex) && Number.isSafeInteger(size) && nextIndex >= 0;
  if (!isRange || nextIndex > size) {
    throw new TlogError(
      "RANGE_INVALID",
      `resume point: index ${nextIndex} does not lie in a tree of size ${size}`,
    );
  }
  if (root.length !== 32) throw new TlogError("RANGE_INVALID", "resume point: a root hash has 32 bytes");
}
