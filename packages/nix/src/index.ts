/** Nix binary-cache formats. */

// NAR: archives and their listings.
export { type ByteSource, type NarEvent, parseNar } from "./nar/events.ts";
export { compareNarNames, defaultNarLimits, type NarLimits, narText } from "./nar/format.ts";
export {
  findInListing,
  formatNarListing,
  listNar,
  type NarListing,
  type NarListingDirectory,
  type NarListingFile,
  type NarListingLimits,
  type NarListingNode,
  type NarListingSymlink,
  parseNarListing,
  readListedFile,
} from "./nar/listing.ts";
export { type NarFile, type NarHandler, NarParser } from "./nar/parser.ts";
export {
  encodeNar,
  type NarTree,
  type NarTreeDirectory,
  type NarTreeFile,
  type NarTreeSymlink,
} from "./nar/writer.ts";
