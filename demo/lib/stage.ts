// How the demo speaks: acts, what is said, commands with what they print, and checks. Colours on a terminal, plain text into
// a pipe.

import { styleText } from "node:util";
import { type Paint, renderTable } from "trustix/src/terminal.ts";

/** Columns that sentences are wrapped at. */
const WIDTH = 88;

/** Store paths and NAR hashes in a text, as people read them. */
export const short = (text: string): string =>
  text
    .replaceAll(/\b([0-9a-z]{4})[0-9a-z]{28}-/g, "$1…-")
    .replaceAll(/\b([0-9a-z]{10})[0-9a-z]{42}\b/g, "$1…");

/** Where the story is told. */
export class Stage {
  readonly #out: NodeJS.WriteStream;
  #failures = 0;
  #checks = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Whether every check held, and there was one. */
  get allHeld(): boolean {
    return this.#checks > 0 && this.#failures === 0;
  }

  /** Whether people read it on a terminal. */
  get isTty(): boolean {
    return this.#out.isTTY === true;
  }

  /** A style where the output has colours. */
  readonly paint: Paint = (style, text) =>
    this.isTty ? styleText(style, text, { stream: this.#out }) : text;

  /** Begins an act. */
  act(number: number, title: string): void {
    const heading = `── Act ${number}: ${title} `;
    this.#lines("", this.paint(["bold", "cyan"], heading.padEnd(WIDTH, "─")), "");
  }

  /** Says a few sentences. */
  say(text: string): void {
    this.#lines(...(text.startsWith("\n") ? [""] : []), ...wrap(text.trim()), "");
  }

  /** Something that may take a moment. */
  note(text: string): void {
    this.#lines(this.paint("dim", text));
  }

  /** Something that is not as it should be. */
  warn(text: string): void {
    this.#lines(...wrap(text).map((line) => this.paint("yellow", line)));
  }

  /** A command that was run, and what it printed. */
  command(line: string, printed: string): void {
    this.#lines(`  ${this.paint("bold", `$ ${line}`)}`);
    this.block(printed.trimEnd());
  }

  /** Text that has its own layout and colours. */
  block(text: string): void {
    this.#lines(...text.split("\n").map((line) => (line === "" ? "" : `  ${line}`)), "");
  }

  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    this.block(renderTable(header, rows, this.paint));
  }

  /** Something that the story depends on: told, and counted when it does not hold. */
  check(holds: boolean, what: string): void {
    this.#checks++;
    if (!holds) this.#failures++;
    this.#lines(holds ? this.paint("green", `  ✓ ${what}`) : this.paint("red", `  ✗ NOT SO: ${what}`));
  }

  #lines(...lines: readonly string[]): void {
    this.#out.write(`${lines.join("\n")}\n`);
  }
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
