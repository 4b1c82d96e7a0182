/**
 * What differs between two outputs that were stated for one store path, as the JSON API answers it:
 * `GET /api/v1/paths/:hash/diff`. `before` and `after` are the two sides; nothing says that one is older or right.
 *
 * Names and text come from the builders, who may be hostile: they are well-formed Unicode and bounded, not harmless on a
 * terminal or in HTML. Fields are added in later versions, never changed.
 */
import * as z from "zod";

const count = z.int().min(0);
const narHash = z.string().regex(/^sha256:[0-9abcdfghijklmnpqrsvwxyz]{52}$/);
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);

export const differenceCauseSchema = z
  .enum(["store-path", "timestamp", "compression", "order", "metadata", "build-id"])
  .meta({
    id: "DifferenceCause",
    description:
      "A usual reason why two builds differ. `store-path`: hash parts of store paths; `timestamp`: what looks like a time, or is one in an archive; `compression`: the same contents, compressed otherwise; `order`: the same members of an archive in another order; `metadata`: owners, permissions or names in the headers of an archive; `build-id`: the ELF note that the linker makes of everything else. It names what is seen and proves nothing: who hides a change can make it look like this.",
  });

const nodeType = z.enum(["directory", "regular", "symlink"]);

export const textDiffSchema = z
  .strictObject({
    hunks: z.array(
      z.strictObject({
        /** Number of the first line on each side, from 1; as in a unified diff, one less when there is no line. */
        before: count,
        after: count,
        /** As in a unified diff: each begins with a space, `-`, `+`, or is `\ No newline at end of file`. */
        lines: z.array(z.string()),
      }),
    ),
    /** False when lines, or the ends of long ones, were left out. Otherwise the hunks make one file of the other. */
    isWhole: z.boolean(),
  })
  .meta({ id: "TextDiff" });

export const elfDifferenceSchema = z
  .strictObject({
    /** The section in which bytes first differ, such as `.text`, or what else is there, in brackets: `[program headers]`. */
    where: z.string(),
    /** Of the first difference, from where that begins. */
    offset: count,
    /** Sections whose contents differ or that only one side has, at most 100; those of `before` first. */
    changed: z.array(z.string()),
  })
  .meta({ id: "ElfDifference" });

const at = {
  /** Relative to the root, `""` for the root itself; in an archive, the member's name. Bytes that are not UTF-8 are `\xNN`. */
  path: z.string(),
};

export const differenceSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({
      ...at,
      kind: z.enum(["added", "removed"]),
      type: nodeType,
      /** With all that is below: number of regular files, and their bytes. */
      files: count,
      bytes: count,
    }),
    z.strictObject({ ...at, kind: z.literal("type"), before: nodeType, after: nodeType }),
    /** Whether it is executable. */
    z.strictObject({ ...at, kind: z.literal("mode"), before: z.boolean(), after: z.boolean() }),
    z.strictObject({
      ...at,
      kind: z.literal("symlink"),
      before: z.string(),
      after: z.string(),
      causes: z.array(differenceCauseSchema),
    }),
    /** Time of an archive's member. */
    z.strictObject({ ...at, kind: z.literal("time"), before: z.string(), after: z.string() }),
    /** Other facts of an archive's member, such as `0644 root:root`. */
    z.strictObject({ ...at, kind: z.literal("metadata"), before: z.string(), after: z.string() }),
    /** A compressed file or member with the same contents, compressed otherwise: the bytes that they take up. */
    z.strictObject({ ...at, kind: z.literal("compression"), before: count, after: count }),
    z.strictObject({
      ...at,
      kind: z.literal("contents"),
      beforeBytes: count,
      afterBytes: count,
      /** Offset of the first byte that differs; the shorter size when one file is the beginning of the other. */
      firstDifference: count,
      /** What explains all that differs; empty for anything else, and for files that are too large to look into. */
      causes: z.array(differenceCauseSchema),
      /** Bytes of both around the first difference, in hex, from the offset `from` on. */
      excerpt: z.strictObject({ from: count, before: hex, after: hex }),
      /** Null unless both sides are text. */
      text: textDiffSchema.nullable(),
      /** Null unless both sides are ELF files. */
      elf: elfDifferenceSchema.nullable(),
      /** What differs inside of two archives or compressed files of one format; null for all else. */
      get inside() {
        return containerDiffSchema.nullable();
      },
    }),
  ])
  .meta({ id: "Difference" });

export const containerDiffSchema = z
  .strictObject({
    format: z.enum(["gzip", "tar", "ar", "zip"]),
    /** Whether members that both have come in another order. */
    reordered: z.boolean(),
    get differences() {
      return z.array(differenceSchema);
    },
    /** Differences beyond those listed. */
    unlisted: count,
  })
  .meta({ id: "ContainerDiff" });

const sideSchema = z
  .strictObject({
    storePath: z.string(),
    narHash,
    narSize: count,
    /** Base names of the store paths that it refers to; a single `#sha256:…` stands for very many. */
    references: z.array(z.string()),
    /** Who states it. */
    operators: z.array(z.string()),
  })
  .meta({ id: "DiffSide" });

export const pathDiffSchema = z
  .strictObject({
    before: sideSchema,
    after: sideSchema,
    /** When the bytes were compared; earlier than now when the result was kept. */
    comparedAt: z.iso.datetime(),
    /** In archive order: a directory before what is in it, names by their bytes. Empty when the bytes are the same. */
    differences: z.array(differenceSchema),
    /** Differences beyond those listed. */
    unlisted: count,
  })
  .meta({ id: "PathDiff" });

export const diffQuerySchema = z.strictObject({
  /** NAR hash of the one side. Default: what most operators state. */
  before: narHash.optional(),
  /** NAR hash of the other side. Default: the most supported one besides `before`. */
  after: narHash.optional(),
});

/** A line of `GET /api/v1/paths/:hash/diff/events`: the same question, answered while the work goes on; the last has the result. */
export const diffEventSchema = z
  .discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("progress"),
      phase: z.enum(["waiting", "fetching", "comparing"]),
      /** Bytes of both NARs that have come, decompressed, and of those to come. */
      doneBytes: count,
      totalBytes: count,
    }),
    z.strictObject({ type: z.literal("diff"), diff: pathDiffSchema }),
  ])
  .meta({ id: "DiffEvent" });

export type DifferenceCauseName = z.output<typeof differenceCauseSchema>;
export type TextDiffJson = z.output<typeof textDiffSchema>;
export type ElfDifferenceJson = z.output<typeof elfDifferenceSchema>;
export type DifferenceJson = z.output<typeof differenceSchema>;
export type ContainerDiffJson = z.output<typeof containerDiffSchema>;
export type PathDiffJson = z.output<typeof pathDiffSchema>;
export type DiffEventJson = z.output<typeof diffEventSchema>;
