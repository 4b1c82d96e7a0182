// Structured logs on standard error: JSON for machines, one readable line for people.
import { styleText } from "node:util";
import pino from "pino";

/** Facts of a log line. */
export type Fields = Readonly<Record<string, unknown>>;

/** Where the daemon writes what it does. Messages are constant; what varies is in the fields. */
export interface Logger {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
}

/** How to write. */
export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "text";
  readonly colour: boolean;
  readonly write: (line: string) => void;
}

type Style = Parameters<typeof styleText>[0];

const LEVELS: Readonly<Record<string, readonly [string, Style]>> = {
  debug: ["debug", "gray"],
  info: ["info ", "green"],
  warn: ["warn ", "yellow"],
  error: ["error", "red"],
};

function showValue(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  const { code, message } = value as { code?: unknown; message?: unknown };
  if (typeof message === "string")
    return JSON.stringify(typeof code === "string" ? `${code}: ${message}` : message);
  return JSON.stringify(value);
}

/** A line of JSON from pino as text: time, level, message, facts. */
function toText(line: string, colour: boolean): string {
  const { level, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const [label, style] = LEVELS[String(level)] ?? [String(level), "reset"];
  const paint = (with_: Style, text: string): string =>
    colour ? styleText(with_, text, { validateStream: false }) : text;
  const facts = Object.entries(fields).map(
    ([name, value]) => ` ${paint("dim", `${name}=`)}${showValue(value)}`,
  );
  return `${paint("dim", String(time).slice(11, 23))} ${paint(style, label)} ${String(message)}${facts.join("")}\n`;
}

/** Errors as their code, message, hint and causes; a stack only where the error is no one of ours. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  return {
    code,
    message: error.message,
    hint,
    stack: typeof code === "string" ? undefined : error.stack,
    cause: error.cause === undefined ? undefined : serializeError(error.cause),
  };
}

/** Makes the daemon's logger. */
export function createLogger(options: LoggerOptions): Logger {
  const write = (line: string): void =>
    options.write(options.format === "json" ? line : toText(line, options.colour));
  return pino(
    {
      level: options.level,
      messageKey: "message",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    { write },
  );
}
