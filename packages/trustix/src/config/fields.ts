// Kinds of values that several sections of the configuration have.
import * as z from "zod";
import { formatDuration, formatSize, parseAddress, parseDuration, parseSize } from "./units.ts";

/** Extra facts of an option for the reference page. */
export interface Meta {
  readonly description: string;
  /** What stands in the page for a default that depends on other options. */
  readonly fallback?: string;
  readonly example?: string;
}

/** Text such as `250ms`; yields milliseconds. */
export function duration(minMs: number, maxMs: number, meta: Meta) {
  return z
    .string()
    .transform((text, context) => {
      const value = parseDuration(text);
      if (value !== undefined && value >= minMs && value <= maxMs) return value;
      context.addIssue({
        code: "custom",
        message: `must be a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as "250ms", "10s" or "1h"`,
        input: text,
      });
      return z.NEVER;
    })
    .meta({ kind: "duration", ...meta });
}

/** Text such as `16MiB`; yields bytes. */
export function size(minBytes: number, maxBytes: number, meta: Meta) {
  return z
    .string()
    .transform((text, context) => {
      const value = parseSize(text);
      if (value !== undefined && value >= minBytes && value <= maxBytes) return value;
      context.addIssue({
        code: "custom",
        message: `must be a size from ${formatSize(minBytes)} to ${formatSize(maxBytes)}, such as "64KiB" or "16MiB"`,
        input: text,
      });
      return z.NEVER;
    })
    .meta({ kind: "size", ...meta });
}

/** Text such as `127.0.0.1:80`; yields an `Address`. */
export function address(meta: Meta) {
  return z
    .string()
    .transform((text, context) => {
      const value = parseAddress(text);
      if (value !== undefined) return value;
      context.addIssue({
        code: "custom",
        message: 'must be an address: "host:port", "[ipv6]:port", "unix:/path" or "systemd"',
        input: text,
      });
      return z.NEVER;
    })
    .meta({ kind: "address", ...meta });
}

/** A path of the file system, as it is written. */
export function path(meta: Meta) {
  return z
    .string()
    .min(1)
    .max(4096)
    .meta({ kind: "path", ...meta });
}

/** A name that a user gives to something, for commands and reports. */
export function name(description: string, example: string) {
  return z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,62}$/,
      "must be lower-case letters, digits, `.`, `_` and `-`, at most 63, and begin with a letter or digit",
    )
    .meta({ kind: "name", description, example });
}

/** Text that `parse` takes; what `parse` throws is the reason why it is wrong. */
export function checkedText(parse: (text: string) => unknown, meta: Meta & { readonly kind: string }) {
  return z
    .string()
    .max(4096)
    .superRefine((text, context) => {
      try {
        parse(text);
      } catch (error) {
        const message = `is wrong: ${error instanceof Error ? error.message : String(error)}`;
        context.addIssue({ code: "custom", message, input: text });
      }
    })
    .meta({ ...meta });
}
