/** Text for terminals: columns that line up whatever their colours, and nothing from outside that could steer the terminal. */

import { stripVTControlCharacters, type styleText } from "node:util";

/** Puts a style on text, or does not when the output has no colours. */
export type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

/** Text from outside with control and formatting characters (escapes, line ends, changes of direction) made visible. */
export function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${(char.codePointAt(0) as number).toString(16)}}`,
  );
}

/** Rows under a header, in columns. Cells may be painted. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string {
  const all = [header.map((cell) => paint("bold", cell)), ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => widthOf(row[column] ?? ""))));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** All that goes into a table is ASCII once it is {@link visible}, or near enough. */
function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
