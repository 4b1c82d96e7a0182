/** The shapes of the API's requests and answers about operators in quarantine. Fields are added in later versions, never changed. */
import * as z from "zod";

/** Why, as a person typed it: one line. */
const reason = z
  .string()
  .min(1)
  .max(500)
  .regex(/^[^\p{Cc}]*$/u, "must be text without control characters");

export const quarantineRequestSchema = z.strictObject({ reason }).meta({ id: "QuarantineRequest" });

export const quarantineSchema = z
  .strictObject({
    /** Whether suspects are put there automatically. */
    enabled: z.boolean(),
    /** Operators that are, or were, in quarantine. */
    operators: z.array(
      z.strictObject({
        operator: z.string(),
        state: z.enum(["quarantined", "released"]),
        /** `estimate`: it became too suspect. `hand`: somebody decided it. */
        by: z.enum(["estimate", "hand"]),
        reason: z.string(),
        since: z.iso.datetime(),
        /** Whether it counts now: it does, though `quarantined` by the estimate, while quarantine is not enabled. */
        counts: z.boolean(),
      }),
    ),
    /** Who deviates more probably than not, by the last estimate. */
    suspects: z.array(
      z.strictObject({
        operator: z.string(),
        suspicion: z.number().min(0).max(1),
        /** Expected number of paths on which it deviated. */
        paths: z.number().min(0),
      }),
    ),
  })
  .meta({ id: "Quarantine" });

export type QuarantineJson = z.output<typeof quarantineSchema>;

/** Quarantine, as the API uses it. */
export interface ApiQuarantine {
  describe(): QuarantineJson;
  /**
   * Puts an operator there, for a reason that people will read. Settles once that is stored.
   * @throws TrustixError `NOT_FOUND` for an operator that is not configured, `STORAGE_FAILED`
   */
  add(operator: string, reason: string): Promise<void>;
  /**
   * Lets it count again, until somebody adds it or the estimate knows more than now.
   * @throws TrustixError `NOT_FOUND` for one that is not there, `STORAGE_FAILED`
   */
  release(operator: string, reason: string): Promise<void>;
}
