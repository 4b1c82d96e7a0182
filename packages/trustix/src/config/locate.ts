// Where a key stands in a TOML text, for error messages. It is only asked about texts that smol-toml accepted, so it
// follows headers and keys and skips values, and need not judge anything. https://toml.io/en/v1.0.0

/** A step into the parsed document: a table's key, or the index in an array of tables. */
export type Step = string | number;

function splitKey(text: string): string[] {
  const parts = text.match(/"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+/g) ?? [];
  return parts.map((part) => (/^["']/.test(part) ? part.slice(1, -1) : part));
}

const KEY =
  /^\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=/;

/** Whether a value that starts in `line` goes on below: an open bracket or an open multi-line string. */
class ValueScanner {
  private depth = 0;
  private quote: "" | '"""' | "'''" = "";

  feed(text: string): void {
    let at = 0;
    while (at < text.length) {
      if (this.quote !== "") {
        const end = text.indexOf(this.quote, at);
        if (end < 0) return;
        at = end + 3;
        this.quote = "";
        continue;
      }
      const three = text.slice(at, at + 3);
      const char = text[at] as string;
      if (three === '"""' || three === "'''") {
        this.quote = three;
        at += 3;
      } else if (char === '"' || char === "'") {
        const rest = (char === '"' ? /^"(?:[^"\\]|\\.)*"/ : /^'[^']*'/).exec(text.slice(at));
        at += rest?.[0].length ?? 1;
      } else if (char === "#") {
        return;
      } else {
        if (char === "[" || char === "{") this.depth++;
        if (char === "]" || char === "}") this.depth--;
        at++;
      }
    }
  }

  get open(): boolean {
    return this.depth > 0 || this.quote !== "";
  }
}

/** A heading or a key of a TOML text, with the lines (from 1) that it takes; those of a key's value are among them. */
interface Item {
  readonly kind: "heading" | "key";
  /** From the top of the document. */
  readonly path: readonly Step[];
  readonly firstLine: number;
  readonly lastLine: number;
}

/** All headings and keys, in order. */
function* scan(text: string): Generator<Item> {
  const counts = new Map<string, number>();
  let table: Step[] = [];
  let open:
    | { readonly path: readonly Step[]; readonly firstLine: number; readonly value: ValueScanner }
    | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const lastLine = index + 1;
    if (open === undefined) {
      const header = /^\s*(\[\[?)([^\]]*)\]/.exec(line);
      if (header !== null) {
        const keys = splitKey(header[2] as string);
        table = keys;
        if (header[1] === "[[") {
          const name = keys.join("\0");
          const count = counts.get(name) ?? 0;
          counts.set(name, count + 1);
          table = [...keys, count];
        }
        yield { kind: "heading", path: table, firstLine: lastLine, lastLine };
        continue;
      }
      const key = KEY.exec(line);
      if (key === null) continue;
      const path = [...table, ...splitKey(key[1] as string)];
      open = { path, firstLine: lastLine, value: new ValueScanner() };
      open.value.feed(line.slice(key[0].length));
    } else open.value.feed(line);
    if (open.value.open) continue;
    const { path, firstLine } = open;
    open = undefined;
    yield { kind: "key", path, firstLine, lastLine };
  }
}

/**
 * The line (from 1) of the longest part of `path` that `text` spells out: the key itself, or else the header of the
 * table that should have it, or else line 1.
 */
export function locateKey(text: string, path: readonly Step[]): number {
  let best = { depth: 0, line: 1 };
  for (const { path: steps, firstLine } of scan(text)) {
    let depth = 0;
    while (depth < steps.length && depth < path.length && steps[depth] === path[depth]) depth++;
    const isWhole = depth === steps.length || depth === path.length;
    if (isWhole && depth > best.depth) best = { depth, line: firstLine };
  }
  return best.line;
}

/** A section of a TOML text: a heading and the keys below it. */
export interface Section {
  /** Keys, and the index in an array of tables. */
  readonly path: readonly Step[];
  /** Line of the heading, from 1. */
  readonly firstLine: number;
  /** Last line of the last key's value; comments behind it do not count. */
  readonly lastLine: number;
}

/** All sections that have a heading, in order. */
export function findSections(text: string): Section[] {
  const sections: { path: readonly Step[]; firstLine: number; lastLine: number }[] = [];
  for (const { kind, path, firstLine, lastLine } of scan(text)) {
    if (kind === "heading") sections.push({ path, firstLine, lastLine });
    else if (sections.length > 0) sections[sections.length - 1]!.lastLine = lastLine;
  }
  return sections;
}
