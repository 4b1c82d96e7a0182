export { type Checkpoint, formatCheckpoint, parseCheckpoint, signCheckpoint } from "./checkpoint.ts";
export { cosignatureTimestamp, createCosignatureVerifier, createCosigner } from "./cosignature.ts";
export {
  concatBytes,
  decodeBase64,
  decodeBase64Exact,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
  parseDecimal,
} from "./encoding.ts";
export { TlogError, type TlogErrorCode } from "./errors.ts";
export { defaultHasher } from "./hasher/default-hasher.ts";
export type { Hasher } from "./hasher/hasher.ts";
export { createScalarHasher } from "./hasher/scalar-hasher.ts";
export { sha256 } from "./hasher/sha256.ts";
export { createWasmHasher } from "./hasher/wasm-hasher.ts";
export {
  createPrivateKey,
  createSigner,
  createVerifier,
  createVerifierKey,
  deriveVerifierKey,
  formatPrivateKey,
  formatVerifierKey,
  isSameKey,
  KEY_TYPE_COSIGNATURE_V1,
  KEY_TYPE_ED25519,
  type KeySigner,
  type KeyType,
  type KeyVerifier,
  keyId,
  type PrivateKey,
  parsePrivateKey,
  parseVerifierKey,
  type VerifierKey,
} from "./keys.ts";
export { emptyRoot, leafHash, nodeHash, treeRoot } from "./merkle/hash.ts";
export {
  type HashSource,
  proveConsistency,
  proveInclusion,
  proveSubtree,
  type ReadOptions,
  subtreeHash,
} from "./merkle/prove.ts";
export { isSubtree, type LeafRange, type TreeHead, type TreeNode } from "./merkle/tree-math.ts";
export {
  type SubtreeHead,
  verifyConsistency,
  verifyInclusion,
  verifySubtree,
} from "./merkle/verify.ts";
export {
  formatNote,
  formatSignatureLines,
  isKeyName,
  MAX_NOTE_SIGNATURES,
  type Note,
  type NoteLimits,
  type NoteSignature,
  type NoteSigner,
  type NoteVerifier,
  type OpenedNote,
  openNote,
  parseNote,
  parseSignatureLines,
  signNote,
  type VerifiedSignature,
} from "./note.ts";
export {
  type CheckpointTrust,
  type Cosignature,
  openCheckpoint,
  type VerifiedCheckpoint,
} from "./open-checkpoint.ts";
export { PolicyVerifier } from "./policy-verifier.ts";
export { verifyGrowth } from "./reader/growth.ts";
export { type EntryChunk, type ReadEntriesOptions, readEntries } from "./reader/read-entries.ts";
export { formatResumePoint, parseResumePoint, type ResumePoint } from "./reader/resume-point.ts";
export { type VerifiedCounts, type VerifyLogOptions, verifyLog } from "./reader/verify-log.ts";
export { MAX_NOTE_BYTES } from "./text.ts";
export { decodeBundle, encodeBundle, MAX_ENTRY_BYTES, maxBundleBytes } from "./tiles/bundle.ts";
export {
  type BundleCoordinates,
  bundlePath,
  type LogFile,
  logFilePath,
  parseTilePath,
  partialWidth,
  TILE_WIDTH,
  type TileCoordinates,
  tileAt,
  tilePath,
  tilesBetween,
} from "./tiles/tile.ts";
export type { FetchOptions, TileSource } from "./tiles/tile-source.ts";
export { type AppendResult, type FileToWrite, TreeBuilder } from "./tiles/tree-builder.ts";
export { VerifiedTiles, type VerifiedTilesOptions } from "./tiles/verified-tiles.ts";
export {
  formatPolicy,
  isQuorumMet,
  MAX_POLICY_BYTES,
  type Policy,
  type PolicyGroup,
  type PolicyLog,
  type PolicyWitness,
  parsePolicy,
} from "./tlog-policy.ts";
export {
  formatTlogProof,
  MAX_TLOG_PROOF_BYTES,
  parseTlogProof,
  type TlogProof,
  verifyTlogProof,
} from "./tlog-proof.ts";
