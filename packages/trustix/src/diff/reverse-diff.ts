// The same comparison, seen from the other side.
import type { ContainerDiffJson, DifferenceJson } from "../http/diff-schema.ts";
import type { NarDiff } from "./nar-diff.ts";
import { reverseText } from "./text-diff.ts";

/** What `diffNars` says when both archives change places, but for where ELF files differ: that is said of either side. */
export function reverseDiff({ differences, unlisted }: NarDiff): NarDiff {
  return { differences: differences.map(reverseDifference), unlisted };
}

function reverseDifference(difference: DifferenceJson): DifferenceJson {
  switch (difference.kind) {
    case "added":
      return { ...difference, kind: "removed" };
    case "removed":
      return { ...difference, kind: "added" };
    case "type":
      return { ...difference, before: difference.after, after: difference.before };
    case "mode":
      return { ...difference, before: difference.after, after: difference.before };
    case "symlink":
    case "time":
    case "metadata":
      return { ...difference, before: difference.after, after: difference.before };
    case "compression":
      return { ...difference, before: difference.after, after: difference.before };
    case "contents": {
      const { beforeBytes, afterBytes, excerpt, text, inside } = difference;
      return {
        ...difference,
        beforeBytes: afterBytes,
        afterBytes: beforeBytes,
        excerpt: { from: excerpt.from, before: excerpt.after, after: excerpt.before },
        text: text && reverseText(text),
        inside: inside && reverseContainer(inside),
      };
    }
    default:
      return difference satisfies never;
  }
}

function reverseContainer(container: ContainerDiffJson): ContainerDiffJson {
  return { ...container, differences: container.differences.map(reverseDifference) };
}
