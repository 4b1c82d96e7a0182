// Who is in quarantine, and who was released from it, as a file of the state directory keeps it.
import * as z from "zod";
import { TrustixError } from "../errors.ts";

const recordSchema = z.strictObject({
  operator: z.string().min(1).max(64),
  state: z.enum(["quarantined", "released"]),
  /** Who put it there: the estimate, or a person by hand. */
  by: z.enum(["estimate", "hand"]),
  reason: z.string().min(1).max(1000),
  /** When it got into this state. */
  since: z.iso.datetime(),
  /** Expected deviating paths that were known then. */
  knownPaths: z.number().min(0),
});
const fileSchema = z.strictObject({ version: z.literal(1), operators: z.array(recordSchema).max(1000) });

/** One operator that is or was in quarantine. */
export type QuarantineRecord = Readonly<z.output<typeof recordSchema>>;

/** Largest file that is read. */
export const MAX_QUARANTINE_BYTES = 1 << 21;

/**
 * Reads the file's text.
 * @param path for the message
 * @throws TrustixError `STATE_CORRUPT` for anything that {@link formatQuarantineRecords} does not write
 */
export function parseQuarantineRecords(text: string, path: string): readonly QuarantineRecord[] {
  let cause: unknown;
  try {
    const { operators } = fileSchema.parse(JSON.parse(text));
    if (new Set(operators.map(({ operator }) => operator)).size === operators.length) return operators;
  } catch (error) {
    cause = error;
  }
  throw new TrustixError("STATE_CORRUPT", `${path} is not a file of operators in quarantine`, {
    hint: "Restore it from a backup. Without the file nobody is in quarantine, and suspects are found anew.",
    cause,
  });
}

/** The text of the file. */
export function formatQuarantineRecords(operators: readonly QuarantineRecord[]): string {
  return `${JSON.stringify({ version: 1, operators }, null, 2)}\n`;
}
