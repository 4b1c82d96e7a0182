/**
 * Public API of `@trustix/nix`: formats of Nix binary caches, and the claim protocols of Trustix. Pure, no
 * dependencies, Node and browsers.
 */

export {
  type CacheInfo,
  formatCacheInfo,
  MAX_CACHE_INFO_SIZE_BYTES,
  parseCacheInfo,
} from "./cache-info.ts";
export {
  type ContentAddress,
  type ContentAddressedReferences,
  type ContentAddressMethod,
  compressHash,
  contentAddressedPath,
  formatContentAddress,
  makeStorePath,
  parseContentAddress,
  provesItself,
  provesNarHash,
  type SelfProving,
} from "./content-address.ts";
export { type DumpDbEntry, type DumpDbOptions, formatDumpDb, parseDumpDb } from "./dump-db.ts";
export { NixError, type NixErrorCode } from "./errors.ts";
export {
  type Fingerprinted,
  fingerprintBytes,
  formatFingerprint,
  MAX_FINGERPRINT_LENGTH,
  parseFingerprint,
} from "./fingerprint.ts";
export {
  equalHash,
  formatHash,
  type Hash,
  type HashAlgorithm,
  type HashSpelling,
  parseHash,
  parseHashJson,
} from "./hash.ts";
export {
  createSigner,
  createVerifier,
  findSigners,
  formatPublicKey,
  formatSecretKey,
  formatSignature,
  generateKey,
  type PublicKey,
  parsePublicKey,
  parseSecretKey,
  parseSignature,
  publicKeyOf,
  type SecretKey,
  type Signature,
  type Signer,
  type Verifier,
  verifySignatures,
} from "./keys.ts";
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
export {
  COMPRESSIONS,
  formatNarInfo,
  isCompression,
  MAX_NARINFO_SIZE_BYTES,
  type NarInfo,
  type NarInfoOptions,
  type ParsedNarInfo,
  parseNarInfo,
} from "./narinfo.ts";
export { decodeNix32, encodeNix32, nix32Length } from "./nix32.ts";
export { type PathInfo, type PathInfoOptions, type PathInfoResult, parsePathInfoJson } from "./path-info.ts";
export {
  formatNixEntry,
  formatNixStatement,
  MAX_INLINE_REFERENCES_LENGTH,
  type NixAttributes,
  type NixClaimKind,
  type NixEntry,
  type NixStatement,
  nixMapKey,
  nixProtocol,
  parseNixEntry,
  parseNixStatement,
  signedText,
  verifyReferences,
} from "./protocol/nix.ts";
export {
  type Attribute,
  MAX_ENTRY_SIZE_BYTES,
  mapKey,
  type Protocol,
  type ProtocolEntry,
} from "./protocol/protocol.ts";
export {
  formatRawEntry,
  formatRawStatement,
  MAX_RAW_KEY_LENGTH,
  MAX_RAW_VALUE_LENGTH,
  parseRawEntry,
  parseRawStatement,
  type RawClaim,
  rawMapKey,
  rawProtocol,
} from "./protocol/raw.ts";
export { Sha256, type StreamingHash, sha256 } from "./sha256.ts";
export {
  baseNameOf,
  DEFAULT_STORE_DIR,
  HASH_PART_LENGTH,
  hashPartOf,
  isDerivationPath,
  isHashPart,
  isStorePath,
  MAX_NAME_LENGTH,
  nameOf,
  parseBaseName,
  parseStoreDir,
  parseStoreName,
  parseStorePath,
  type StorePath,
  sortReferences,
  storeDirOf,
} from "./store-path.ts";
