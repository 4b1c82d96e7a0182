// What a command may touch besides files and the network: the terminal, the environment and the clock.
import { styleText } from "node:util";
import { renderTable } from "../terminal.ts";

/** The surroundings of one run of the command line. */
export interface Io {
  /** Writes a line to standard output: results, nothing else. */
  out(line: string): void;
  /** Writes a line to standard error: warnings and advice. */
  err(line: string): void;
  /** Writes to standard error as it is, for progress. */
  errRaw(text: string): void;
  /** The exit status of a command that did its work, but found something; 0 unless set. */
  setExitStatus(status: number): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether people read standard output: tables and colours. */
  readonly isTty: boolean;
  /** Whether people read standard error: progress. */
  readonly errIsTty: boolean;
  /** Whether a person types on standard input. */
  readonly inIsTty: boolean;
  /** Asks on standard error; yields the line that was typed, or undefined when there is none. */
  ask(question: string): Promise<string | undefined>;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  now(): Date;
}

type Style = Parameters<typeof styleText>[0];

/** `text` in a style where standard output is a terminal (and NO_COLOR and friends do not object), else as it is. */
export function styled(io: Io, style: Style, text: string): string {
  return io.isTty ? styleText(style, text, { stream: process.stdout }) : text;
}

/** Rows in columns that line up, under a header. */
export function formatTable(io: Io, header: readonly string[], rows: readonly (readonly string[])[]): string {
  return renderTable(header, rows, (style, text) => styled(io, style, text));
}

/** A pair of columns, names and values, for one thing. */
export function formatFacts(io: Io, facts: readonly (readonly [string, string])[]): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${styled(io, "dim", name.padEnd(width))}  ${value}`).join("\n");
}
