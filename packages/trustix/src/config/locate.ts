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

/**
 * The line (from 1) of the longest part of `path` that `text` spells out: the key itself, or else the header of the
 * table that should have it, or else line 1.
 */
export function locateKey(text: string, path: readonly Step[]): number {
  let best = { depth: 0, line: 1 };
  const counts = new Map<string, number>();
  let table: Step[] = [];
  const offer = (steps: readonly Step[], line: number): void => {
    let depth = 0;
    while (depth < steps.length && depth < path.length && steps[depth] === path[depth]) depth++;
    const whole = depth === steps.length || depth === path.length;
    if (whole && depth > best.depth) best = { depth, line };
  };
  let value: ValueScanner | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (value?.open) {
      value.feed(line);
      continue;
    }
    const header = /^\s*(\[\[?)([^\]]*)\]/.exec(line);
    if (header !== null) {
      const keys = splitKey(header[2] as string);
      table = keys;
      if (header[1] === "[[") {
        const count = counts.get(keys.join("\0")) ?? 0;
        counts.set(keys.join("\0"), count + 1);
        table = [...keys, count];
      }
      offer(table, index + 1);
      continue;
    }
    const key = KEY.exec(line);
    if (key === null) continue;
    offer([...table, ...splitKey(key[1] as string)], index + 1);
    value = new ValueScanner();
    value.feed(line.slice(key[0].length));
  }
  return best.line;
}
