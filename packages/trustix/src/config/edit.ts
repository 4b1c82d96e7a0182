// Changes to the text of a configuration file: sections are added at its end or taken out; everything else, comments above
// all, stays as it was written.
import { findSections } from "./locate.ts";

/** A section to write: a heading such as `[[operator]]`, and its options. */
export interface NewSection {
  readonly name: string;
  readonly options: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** A TOML basic string: JSON's escapes are among TOML's. https://toml.io/en/v1.0.0#string */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

/** The text of an array of tables' next element. */
export function formatSection({ name, options }: NewSection): string {
  const lines = Object.entries(options).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [`${key} = ${typeof value === "string" ? quote(value) : `[${value.map(quote).join(", ")}]`}`];
  });
  return `[[${name}]]\n${lines.join("\n")}\n`;
}

/** A configuration with sections added at its end. */
export function addSections(text: string, sections: readonly NewSection[]): string {
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}${sections.map((section) => `\n${formatSection(section)}`).join("")}`;
}

/**
 * A configuration without one element of an array of tables, from its heading to its last option. Comments before the heading
 * and after the last option stay.
 * @returns undefined when that element has no heading of its own, because it is written in line
 */
export function removeSection(text: string, name: string, index: number): string | undefined {
  const section = findSections(text).find(
    ({ path }) => path.length === 2 && path[0] === name && path[1] === index,
  );
  if (section === undefined) return undefined;
  const lines = text.split("\n");
  // With one of two empty lines around it.
  const isBlank = (at: number): boolean => lines[at]?.trim() === "";
  const first = section.firstLine - 1;
  const last = section.lastLine - 1;
  const extra = isBlank(first - 1) && (isBlank(last + 1) || last + 1 >= lines.length) ? 1 : 0;
  lines.splice(first - extra, last - first + 1 + extra);
  return lines.join("\n");
}
