// Cursors of pages: where to go on, and for which query. They are opaque to clients, and come back from anyone.
import { createHash } from "node:crypto";
import * as z from "zod";
import { TrustixError } from "../../errors.ts";

const id = z.int().min(0);
const place = z.union([
  /** 0: names that begin with the text; 1: that contain it; 2: paths whose hash part begins with it. */
  z.strictObject({ part: z.int().min(0).max(2), name: z.string().max(211), id }),
  z.strictObject({ changed: z.int().min(0), id }),
]);
const cursorSchema = z.tuple([z.string(), place]);

/** The last path of a page, in the order of the query. */
export type Place = z.output<typeof place>;

/** Longest cursor that is looked at. */
const MAX_CURSOR = 600;

/** Stands for a query in its cursors, so that none goes on for another one. */
export function queryTag(query: unknown): string {
  return createHash("sha256").update(JSON.stringify(query)).digest("base64url").slice(0, 8);
}

/** The cursor for what comes behind a place. Inverse of {@link parseCursor}. */
export function formatCursor(tag: string, place: Place): string {
  return Buffer.from(JSON.stringify([tag, place])).toString("base64url");
}

/** @throws TrustixError `INVALID_ARGUMENT` when it is none of this query */
export function parseCursor(tag: string, text: string): Place {
  if (text.length <= MAX_CURSOR && /^[A-Za-z0-9_-]+$/.test(text)) {
    try {
      const [given, place] = cursorSchema.parse(JSON.parse(Buffer.from(text, "base64url").toString()));
      if (given === tag) return place;
    } catch {
      // Not of ours, as said below.
    }
  }
  throw new TrustixError("INVALID_ARGUMENT", "the cursor is not of this query", {
    hint: "Take `next` of the page before, with the same query; without a cursor the first page comes.",
  });
}
