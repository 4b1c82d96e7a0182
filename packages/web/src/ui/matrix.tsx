// Who agrees with whom, as a table: the figure in each cell, and its colour only on top of that.
import { formatCompact, formatCount, visible } from "../text.ts";
import { Scroll } from "./scroll.tsx";

/** Cells are told apart in this many steps of colour, the more the worse. */
const STEPS = 6;
/** Builders that are shown; a table of more could not be read. */
const MAX_BUILDERS = 60;

/** An agreement matrix, row and column by the order of names. */
export function Matrix({
  names,
  shared,
  agreed,
}: {
  readonly names: readonly string[];
  readonly shared: readonly (readonly number[])[];
  readonly agreed: readonly (readonly number[])[];
}) {
  const shown = names.slice(0, MAX_BUILDERS);
  return (
    <Scroll label="Agreement matrix">
      <table class="matrix">
        <caption class="sr-only">
          Share of paths on which two builders agree, and how many paths both have built
        </caption>
        <thead>
          <tr>
            <td />
            {shown.map((name) => (
              <th scope="col" key={name}>
                {visible(name, 30)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((name, row) => (
            <tr key={name}>
              <th scope="row">{visible(name, 30)}</th>
              {shown.map((other, column) => (
                <Cell
                  key={other}
                  isSelf={row === column}
                  shared={shared[row]?.[column] ?? 0}
                  agreed={agreed[row]?.[column] ?? 0}
                />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {names.length > shown.length && (
        <p class="dim">{`${names.length - shown.length} more are not shown.`}</p>
      )}
    </Scroll>
  );
}

function Cell({
  isSelf,
  shared,
  agreed,
}: {
  readonly isSelf: boolean;
  readonly shared: number;
  readonly agreed: number;
}) {
  if (isSelf) {
    return (
      <td class="self" title={`${formatCount(shared)} paths`}>
        {formatCompact(shared)}
      </td>
    );
  }
  if (shared === 0) return <td class="dim">–</td>;
  const share = agreed / shared;
  return (
    <td
      class={`heat-${stepOf(share)}`}
      title={`agree on ${formatCount(agreed)} of ${formatCount(shared)} paths`}
    >
      {(Math.floor(share * 1000) / 10).toFixed(1)} %<span class="of">{formatCompact(shared)}</span>
    </td>
  );
}

/** 0 for full agreement; each step is twice as much disagreement as the one before, from 1 % on. */
function stepOf(share: number): number {
  const disagreement = 1 - share;
  if (disagreement < 0.01) return 0;
  return Math.min(STEPS - 1, 1 + Math.floor(Math.log2(disagreement / 0.01)));
}
