// Comparing outputs, in `trustix.toml`.
import * as z from "zod";
import { size } from "./fields.ts";

/** `[diff]` */
export const diffSchema = z
  .strictObject({
    "max-nar-size": size(2 ** 10, 2 ** 40, {
      description:
        "Largest NAR that is downloaded to be compared with another. Two of them are on disk, decompressed, while they are compared, and no longer.",
    }).prefault("1GiB"),
    "max-kept": size(0, 2 ** 40, {
      description:
        "Disk space for results, in `diffs/` of the state directory. The oldest are removed first, and are worked out again when somebody asks.",
    }).prefault("64MiB"),
  })
  .meta({ description: "What differs between builds of one path: `trustix diff`." });
