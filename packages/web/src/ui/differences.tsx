// A list of differences, and what is inside of archives, as deep as it goes and as long as it can be read.
import { useSignal } from "@preact/signals";
import type { DifferenceCauseName, DifferenceJson } from "trustix/src/http/diff-schema.ts";
import { formatBytes, formatCount, plural, visible } from "../text.ts";
import { HexPair } from "./hex-pair.tsx";
import { TextDiff } from "./text-diff.tsx";

const PAGE = 100;
/** Archives in archives that are shown. */
const MAX_DEPTH = 6;

const CAUSES: Readonly<Record<DifferenceCauseName, string>> = {
  "store-path": "store paths",
  timestamp: "timestamps",
  compression: "compression",
  order: "order of members",
  metadata: "metadata",
  "build-id": "build id",
};

/** Differences of files, or of the members of an archive. */
export function Differences({
  differences,
  unlisted,
  depth = 0,
}: {
  readonly differences: readonly DifferenceJson[];
  readonly unlisted: number;
  readonly depth?: number;
}) {
  const shown = useSignal(PAGE);
  return (
    <>
      <ul class="differences">
        {differences.slice(0, shown.value).map((difference, index) => (
          // One file may differ in several ways, and the list never changes.
          <li key={index}>
            <p>
              <code class="file">
                {difference.path === "" ? "(the whole)" : visible(difference.path, 400)}
              </code>{" "}
              <span class="how">{describe(difference)}</span>
              {"causes" in difference &&
                difference.causes.map((cause) => (
                  <span class="badge info" key={cause}>
                    {CAUSES[cause] ?? visible(cause, 20)}
                  </span>
                ))}
            </p>
            {difference.kind === "contents" && <Contents difference={difference} depth={depth} />}
          </li>
        ))}
      </ul>
      {differences.length > shown.value && (
        <button
          type="button"
          onClick={() => {
            shown.value += PAGE;
          }}
        >
          Show more of {formatCount(differences.length)}
        </button>
      )}
      {unlisted > 0 && <p class="dim">{plural(unlisted, "more difference")}, not listed.</p>}
    </>
  );
}

function describe(difference: DifferenceJson): string {
  switch (difference.kind) {
    case "added":
    case "removed": {
      const { type, files, bytes } = difference;
      const what = type === "directory" ? `directory with ${plural(files, "file")}` : type;
      return `only on the ${difference.kind === "added" ? "other" : "one"} side: ${what}, ${formatBytes(bytes)}`;
    }
    case "type":
      return `${difference.before} on the one side, ${difference.after} on the other`;
    case "mode":
      return difference.before ? "executable on the one side only" : "executable on the other side only";
    case "symlink":
      return `leads to ${visible(difference.before, 300)} or to ${visible(difference.after, 300)}`;
    case "time":
    case "metadata":
      return `${difference.kind} ${visible(difference.before, 200)} or ${visible(difference.after, 200)}`;
    case "compression":
      return `same contents, compressed to ${formatBytes(difference.before)} or ${formatBytes(difference.after)}`;
    case "contents": {
      const { beforeBytes, afterBytes, firstDifference } = difference;
      const sizes =
        beforeBytes === afterBytes
          ? formatBytes(beforeBytes)
          : `${formatBytes(beforeBytes)} or ${formatBytes(afterBytes)}`;
      return `${sizes}, differs from byte ${formatCount(firstDifference)} on`;
    }
    default:
      difference satisfies never;
      return "differs in a way that this dashboard does not know";
  }
}

function Contents({
  difference,
  depth,
}: {
  readonly difference: Extract<DifferenceJson, { readonly kind: "contents" }>;
  readonly depth: number;
}) {
  const { text, elf, inside, excerpt } = difference;
  return (
    <div class="contents">
      {elf !== null && (
        <p>
          First in <code>{visible(elf.where, 100)}</code>, {formatCount(elf.offset)} bytes in; other contents
          in {elf.changed.map((section) => visible(section, 60)).join(", ") || "no section"}
        </p>
      )}
      {text !== null && <TextDiff diff={text} name={difference.path} />}
      {text === null && inside === null && <HexPair excerpt={excerpt} at={difference.firstDifference} />}
      {inside !== null && (
        <details open={depth === 0}>
          <summary>
            Inside the {visible(inside.format, 10)}
            {inside.reordered ? ", whose members come in another order" : ""}
          </summary>
          {depth < MAX_DEPTH ? (
            <Differences
              differences={inside.differences as readonly DifferenceJson[]}
              unlisted={inside.unlisted}
              depth={depth + 1}
            />
          ) : (
            <p class="dim">Too deep to be shown.</p>
          )}
        </details>
      )}
    </div>
  );
}
