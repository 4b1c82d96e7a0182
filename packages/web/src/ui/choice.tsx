// A choice from a list, for filters.
import { visible } from "../text.ts";

/** A value, empty for none, and what it is called. */
export type Option = readonly [value: string, text: string];

/** A labelled select. */
export function Choice({
  label,
  value = "",
  options,
  onChange,
}: {
  readonly label: string;
  readonly value?: string | undefined;
  readonly options: readonly Option[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <label>
      <span>{label}</span>
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {options.map(([each, text]) => (
          <option value={each} key={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Names as options, among them the chosen one, which may be of something that is no more. */
export function namedOptions(names: readonly string[], chosen: string | undefined): readonly Option[] {
  const all = new Set([...names, ...(chosen === undefined ? [] : [chosen])]);
  return [["", "any"], ...[...all].map((name) => [name, visible(name, 64)] as const)];
}
