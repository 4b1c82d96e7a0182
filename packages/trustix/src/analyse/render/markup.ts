// HTML that cannot be broken out of: whatever is put into a template is escaped, unless it is markup itself.

import { visible } from "../../terminal.ts";

/** Text that is markup already. Only {@link html} makes it. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: text and numbers are escaped, markup is not, lists are joined without anything between. */
export type Inserted = string | number | Markup | readonly Inserted[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Tag of templates: ``html`<td>${text}</td>` ``. Values may stand in content and in quoted attributes, and nowhere else. */
export function html(parts: TemplateStringsArray, ...values: readonly Inserted[]): Markup {
  let text = parts[0] as string;
  values.forEach((value, index) => {
    text += asText(value) + parts[index + 1];
  });
  return new Markup(text);
}

function asText(value: Inserted): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") return value.map(asText).join("");
  // Characters that turn text round or are none would mislead whoever reads the page.
  return visible(value).replaceAll(/[&<>"']/g, (char) => ENTITIES[char] as string);
}
