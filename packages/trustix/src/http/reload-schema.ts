/** What became of the configuration file when the daemon read it again. Fields are added in later versions, never changed. */
import * as z from "zod";

export const reloadSchema = z
  .strictObject({
    /** Sections that are in force now as the file has them, and were not before. */
    applied: z.array(z.string()),
    /** Sections that differ from what is in force, and are applied by a restart only. */
    needsRestart: z.array(z.string()),
  })
  .meta({ id: "Reload" });

export type ReloadJson = z.output<typeof reloadSchema>;
