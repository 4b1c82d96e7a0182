// A `.tlog-proof` file with its entry in it, as `trustix explain --proof` writes it, checked offline.
import { createVerifier, leafHash, openCheckpoint, parseTlogProof, verifyTlogProof } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";

/** Whose proof it should be. */
export interface ProofTrust {
  readonly vkey: string;
  /** Default: the name in the vkey. */
  readonly origin?: string | undefined;
}

/** What a proof file proves: that the key's holder has published this entry. */
export interface ProvenFile {
  readonly origin: string;
  readonly index: number;
  /** Entries of the tree that the proof leads to. */
  readonly size: number;
  readonly entry: Uint8Array;
}

/**
 * Checks a proof file.
 * @throws TrustixError `EVIDENCE_INVALID` when it has no entry; TlogError as `parseTlogProof`, `openCheckpoint` and
 *   `verifyTlogProof`
 */
export async function verifyProofFile(bytes: Uint8Array, { vkey, origin }: ProofTrust): Promise<ProvenFile> {
  const verifier = createVerifier(vkey);
  const proof = parseTlogProof(bytes);
  if (proof.extra === undefined) {
    throw new TrustixError(
      "EVIDENCE_INVALID",
      "the proof has no `extra` line with the entry that it is about",
    );
  }
  const trust = { origin: origin ?? verifier.name, logs: [verifier] };
  const { checkpoint } = await verifyTlogProof(proof, leafHash(proof.extra), (note) =>
    openCheckpoint(note, trust),
  );
  return { origin: checkpoint.origin, index: proof.index, size: checkpoint.size, entry: proof.extra };
}
