// A random part of the paths, where there are too many patterns to look at all of them.
//
// Many builders that each build another part of the packages make a pattern of their own on nearly every path, and the
// estimate takes time in proportion to patterns. Fewer paths of the same kind tell the same, with less certainty: nobody
// is accused on account of what is left out.

import { groupsOf } from "./classify.ts";
import type { CountedPattern } from "./context.ts";

/** Counted patterns, and the share of the paths that they stand for: 1 when nothing is left out. */
export interface Sample {
  readonly patterns: readonly CountedPattern[];
  readonly share: number;
}

/** At most `most` patterns, of those with two claims or more. The same patterns give the same sample. */
export function samplePaths(patterns: readonly CountedPattern[], most: number): Sample {
  if (patterns.length <= most) return { patterns, share: 1 };
  const telling = patterns.filter(({ pattern }) => {
    const { agreed, torn } = groupsOf(pattern);
    return agreed.reduce((claims, group) => claims + group.length, torn.length) > 1;
  });
  const places = telling.map(placeOf);
  for (let [share, left] = [1, telling]; ; share /= 2) {
    left = telling.flatMap((each, i) => {
      const paths = Math.floor(each.paths * share + places[i]!);
      return paths === 0 ? [] : [{ ...each, paths }];
    });
    if (left.length <= most) return { patterns: left, share };
  }
}

/** From 0 up to 1, evenly: FNV-1a, mixed once more. */
function placeOf({ pattern, context = "unknown" }: CountedPattern): number {
  let hash = 0x811c9dc5;
  for (const character of context + pattern) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
