// `trustix.json`: what a node says of itself at its root, so that others can subscribe to it with one command. Nothing in
// it is proven: its reader shows the keys, and a person compares them with what the operator says elsewhere.
import { parsePublicKey } from "@trustix/nix";
import { parseVerifierKey } from "@trustix/tlog";
import * as z from "zod";
import { TrustixError } from "../errors.ts";

/** Where the description is, below the node's root URL. */
export const DESCRIPTION_PATH = "trustix.json";
/** Longest description that is read. */
export const MAX_DESCRIPTION_BYTES = 64 * 1024;

const FORMAT = "trustix-node/1";

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);
/** Relative to the description, or absolute. */
const url = z
  .string()
  .max(1024)
  .regex(/^[^\s\p{Cc}]*\/$/u);

const accepts = (parse: (text: string) => unknown) => (text: string) => {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
};

const schema = z.object({
  format: z.literal(FORMAT),
  operator: name.optional(),
  logs: z
    .array(
      z.object({
        name,
        protocol: z.enum(["nix", "raw"]),
        origin: z
          .string()
          .min(1)
          .max(255)
          .regex(/^[^\s\p{Cc}]+$/u),
        vkey: z.string().max(1024).refine(accepts(parseVerifierKey)),
        url,
      }),
    )
    .max(64),
  cache: z.object({ url, publicKey: z.string().max(1024).refine(accepts(parsePublicKey)) }).optional(),
});

/** A log as its node describes it. */
export interface DescribedLog {
  readonly name: string;
  readonly protocol: "nix" | "raw";
  readonly origin: string;
  readonly vkey: string;
  /** Prefix of its files: relative to the description or absolute; ends in `/`. */
  readonly url: string;
}

/** What a node says of itself. */
export interface NodeDescription {
  /** What it calls its operator. */
  readonly operator?: string | undefined;
  readonly logs: readonly DescribedLog[];
  /** Its binary cache. */
  readonly cache?: { readonly url: string; readonly publicKey: string } | undefined;
}

/** The text of a description. Inverse of {@link parseDescription}. */
export function formatDescription({ operator, logs, cache }: NodeDescription): string {
  return `${JSON.stringify({ format: FORMAT, operator, logs, cache }, undefined, 2)}\n`;
}

/**
 * Reads a description, which a stranger wrote. Fields that this version does not know are left out.
 * @param base URL of the description; URLs in it are made absolute
 * @throws TrustixError `PEER_MISBEHAVED`
 */
export function parseDescription(bytes: Uint8Array, base: URL): NodeDescription {
  const wrong = (why: string, cause?: unknown): TrustixError =>
    new TrustixError("PEER_MISBEHAVED", `${base.href} is no description of a node: ${why}`, {
      hint: "Check the address; a node's description is at trustix.json below its root URL.",
      cause,
    });
  if (bytes.length > MAX_DESCRIPTION_BYTES) throw wrong(`it has more than ${MAX_DESCRIPTION_BYTES} bytes`);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw wrong("it is not JSON", cause);
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(`at ${issue?.path.join(".") || "its top"}: ${issue?.message}`);
  }
  const absolute = (text: string): string => {
    const target = URL.parse(text, base.href);
    if (target?.protocol === base.protocol || target?.protocol === "https:") return target.href;
    throw wrong(`its URL ${JSON.stringify(text.slice(0, 100))} must not be followed`);
  };
  const { operator, logs, cache } = parsed.data;
  return {
    operator,
    logs: logs.map((log) => ({ ...log, url: absolute(log.url) })),
    cache: cache && { ...cache, url: absolute(cache.url) },
  };
}
