// A text diff in hunks, as in a unified diff.
import type { TextDiffJson } from "trustix/src/http/diff-schema.ts";
import { visible } from "../text.ts";
import { Scroll } from "./scroll.tsx";

/** Lines of one file that are shown. */
const MAX_LINES = 400;
const MAX_LINE_LENGTH = 1000;

/** The diff of a text file. */
export function TextDiff({ diff, name }: { readonly diff: TextDiffJson; readonly name: string }) {
  let left = MAX_LINES;
  const hunks = diff.hunks.flatMap((hunk) => {
    const lines = hunk.lines.slice(0, Math.max(0, left));
    left -= hunk.lines.length;
    return lines.length === 0 ? [] : [{ ...hunk, lines }];
  });
  return (
    <Scroll label={`Text of ${visible(name, 200)}`}>
      <pre class="text-diff">
        {hunks.map(({ before, after, lines }) => (
          <span key={`${before} ${after}`}>
            <span class="hunk">{`@@ -${before} +${after} @@\n`}</span>
            {lines.map((line, index) => (
              // The lines never change.
              <span class={classOf(line)} key={index}>
                {`${visible(line, MAX_LINE_LENGTH).replaceAll("\\u{9}", "\t")}\n`}
              </span>
            ))}
          </span>
        ))}
      </pre>
      {(!diff.isWhole || left < 0) && <p class="dim">Lines, or ends of long ones, are left out.</p>}
    </Scroll>
  );
}

function classOf(line: string): string {
  if (line.startsWith("+")) return "added";
  return line.startsWith("-") ? "removed" : "context";
}
