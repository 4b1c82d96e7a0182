// Paths in a table; arrow keys go from one to the next.
import type { PathSummaryJson } from "trustix/src/http/insight-schema.ts";
import { visible } from "../text.ts";
import { ClassName, Operators, PathLink, StatusBadge, Time } from "./basics.tsx";

/** A table of paths. */
export function PathTable({
  paths,
  caption,
}: {
  readonly paths: readonly PathSummaryJson[];
  readonly caption: string;
}) {
  return (
    <table class="paths" onKeyDown={moveBetweenRows}>
      <caption class="sr-only">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Path</th>
          <th scope="col">Status</th>
          <th scope="col" class="wide-only">
            Agree
          </th>
          <th scope="col" class="wide-only">
            Against them
          </th>
          <th scope="col" class="wide-only">
            System
          </th>
          <th scope="col">Changed</th>
        </tr>
      </thead>
      <tbody>
        {paths.map((path) => (
          <tr key={path.hashPart}>
            <th scope="row">
              <PathLink path={path} />
            </th>
            <td>
              <StatusBadge status={path.status} />{" "}
              {path.status === "disputed" && (
                <span class="dim">
                  <ClassName kind={path.kind} />
                </span>
              )}
            </td>
            <td class="wide-only">
              <Operators names={path.agreeing} empty="no majority" />
            </td>
            <td class="wide-only">
              <Operators names={path.outliers} empty="–" />
            </td>
            <td class="wide-only dim">{path.system === null ? "–" : visible(path.system, 64)}</td>
            <td class="dim">
              <Time at={path.changed} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function moveBetweenRows(event: KeyboardEvent): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = event.target instanceof Element ? event.target.closest("tr") : null;
  if (row === null) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  const target =
    next?.querySelector<HTMLElement>("a") ??
    (event.key === "ArrowUp" ? document.querySelector<HTMLElement>("input[type=search]") : null);
  if (target === null) return;
  event.preventDefault();
  target.focus();
}
