// Who agrees with whom, as a table: the figure in each cell, and its colour only on top of that.
import { formatCompact, formatCount, formatTenths, visible } from "../text.ts";
import { Scroll } from "./scroll.tsx";

/** The least share of each step of colour, the more the worse: close to full agreement a little says much. */
const STEPS = [1, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0] as const;
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
      <ul class="legend" aria-hidden="true">
        {STEPS.map((least, step) => (
          <li key={least}>
            <span class={`swatch heat-${step}`} />
            {least === 1 ? "100 %" : least === 0 ? "less" : `≥ ${least * 100} %`}
          </li>
        ))}
        <li class="dim">small figures: paths that both have built</li>
      </ul>
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
      {formatTenths(share)}
      <span class="of">{formatCompact(shared)}</span>
    </td>
  );
}

/** 0 for full agreement. */
function stepOf(share: number): number {
  return STEPS.findIndex((least) => share >= least);
}
