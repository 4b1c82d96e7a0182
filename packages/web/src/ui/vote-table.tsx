// What each builder says of each of some paths, a column each.
import type { PathSummaryJson } from "trustix/src/http/insight-schema.ts";
import { visible } from "../text.ts";
import { PathLink, StatusBadge, Time } from "./basics.tsx";
import { PathTable } from "./path-table.tsx";
import { Scroll } from "./scroll.tsx";

/** Columns of builders; with more of them the table names them in its cells. */
const MAX_COLUMNS = 10;

const SAYS = {
  most: ["✓", "passed", "says what most say"],
  other: ["≠", "failed", "says something else, or nobody has most on their side"],
  nothing: ["–", "dim", "has no claim"],
} as const;

/** A table of votes. */
export function VoteTable({
  paths,
  builders,
  caption,
}: {
  readonly paths: readonly PathSummaryJson[];
  readonly builders: readonly string[];
  readonly caption: string;
}) {
  if (builders.length > MAX_COLUMNS) return <PathTable paths={paths} caption={caption} />;
  return (
    <Scroll label={caption}>
      <table class="votes">
        <caption class="sr-only">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Path</th>
            <th scope="col">System</th>
            <th scope="col">Status</th>
            {builders.map((name) => (
              <th scope="col" class="vote" key={name}>
                {visible(name, 30)}
              </th>
            ))}
            <th scope="col">Changed</th>
          </tr>
        </thead>
        <tbody>
          {paths.map((path) => (
            <tr key={path.hashPart}>
              <th scope="row">
                <PathLink path={path} />
              </th>
              <td class="dim">{path.system === null ? "–" : visible(path.system, 64)}</td>
              <td>
                <StatusBadge status={path.status} />
              </td>
              {builders.map((name) => (
                <Vote path={path} name={name} key={name} />
              ))}
              <td class="dim">
                <Time at={path.changed} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <ul class="legend" aria-hidden="true">
        {Object.values(SAYS).map(([mark, tone, meaning]) => (
          <li key={mark} class={tone}>
            <span class="mark">{mark}</span> <span class="dim">{meaning}</span>
          </li>
        ))}
      </ul>
    </Scroll>
  );
}

function Vote({ path, name }: { readonly path: PathSummaryJson; readonly name: string }) {
  const says = path.agreeing.includes(name) ? "most" : path.outliers.includes(name) ? "other" : "nothing";
  const [mark, tone, meaning] = SAYS[says];
  return (
    <td class={`vote ${tone}`} title={`${visible(name, 64)} ${meaning}`}>
      <span class="mark" aria-hidden="true">
        {mark}
      </span>
      <span class="sr-only">{meaning}</span>
    </td>
  );
}
