// An entry of a log as text: its statement and its attributes.
import { hrefTo } from "../router.ts";
import { formatCount, visible } from "../text.ts";

/** `1;<store path>;…` of protocol `nix`, whatever its store directory. */
const STORE_PATH = /^1;(\/[^;]{1,400}\/([0-9abcdfghijklmnpqrsvwxyz]{32})-([^;/]{1,211}));/;

/** One entry. */
export function EntryText({
  index,
  statement,
  attributes,
}: {
  readonly index: number;
  /** Null when it is no claim. */
  readonly statement: string | null;
  /** `name value` lines. */
  readonly attributes: readonly string[];
}) {
  const [, , hashPart, name] = STORE_PATH.exec(statement ?? "") ?? [];
  return (
    <>
      <p>
        <b>{formatCount(index)}</b>{" "}
        {hashPart !== undefined && name !== undefined ? (
          <a href={hrefTo(["path", hashPart])}>{visible(name, 211)}</a>
        ) : (
          <span class="dim">{statement === null ? "no claim on a path" : ""}</span>
        )}{" "}
        <span class="dim">
          {attributes
            .slice(0, 8)
            .map((line) => visible(line, 120))
            .join(", ")}
        </span>
      </p>
      {statement !== null && <code class="statement-text">{visible(statement, 300)}</code>}
    </>
  );
}
