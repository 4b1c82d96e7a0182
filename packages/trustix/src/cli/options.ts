// Values of options, as people type them.
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../config/units.ts";

const DAY_MS = 86_400_000;

/** A count such as `50`. */
export function parseCount(text: string): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(text)) throw new InvalidArgumentError("Not a number.");
  return Number(text);
}

/** A span of time, in milliseconds since 1970; `untilMs` is behind its last moment. */
export interface Moment {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/**
 * What a point in time says when something begins and when it ends there: a day `2026-11-22` is all of it, in UTC; a time
 * `2026-11-22T18:00:00Z` and an age such as `7d` or `12h` are the same for both.
 */
export function parseMoment(text: string, nowMs: number): Moment {
  const ageMs = parseDuration(text);
  if (ageMs !== undefined && ageMs <= nowMs) return { sinceMs: nowMs - ageMs, untilMs: nowMs - ageMs };
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$/.test(text);
  const atMs = isDay || isTime ? Date.parse(text) : Number.NaN;
  // Date.parse takes 30 February for 2 March.
  const day = text.slice(0, 10);
  const isReal = !Number.isNaN(atMs) && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
  if (!isReal || atMs < 0) {
    throw new InvalidArgumentError(
      "Not a date (2026-11-22), a time (2026-11-22T18:00:00Z) or an age (7d, 12h).",
    );
  }
  return { sinceMs: atMs, untilMs: isDay ? atMs + DAY_MS : atMs };
}
