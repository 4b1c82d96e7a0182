// trustix evidence verify FILE|DIR
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { TrustixError } from "../../errors.ts";
import { MAX_EVIDENCE_BYTES, verifyEvidence } from "../../subscribe/evidence.ts";
import { visible } from "../../terminal.ts";
import { formatFacts, formatTable, type Io, styled } from "../io.ts";
import { verifyProofFile } from "../proof-file.ts";
import { readBounded, verifyProofFolder } from "../proof-folder.ts";

interface VerifyOptions {
  readonly vkey?: string;
  readonly json?: boolean;
}

/** How a `.tlog-proof` file begins. */
const PROOF_HEADER = Buffer.from("c2sp.org/tlog-proof@");

async function verifyFile(bytes: Uint8Array, options: VerifyOptions, io: Io): Promise<void> {
  const verdict = await verifyEvidence(bytes);
  if (options.vkey !== undefined && options.vkey !== verdict.key) {
    throw new TrustixError("EVIDENCE_INVALID", `this is about the key ${visible(verdict.key)}`, {
      hint: "It says nothing about the log that you have in mind.",
    });
  }
  if (options.json) {
    io.out(JSON.stringify(verdict));
    return;
  }
  const { kind, origin, key, isProof, summary } = verdict;
  const word = isProof
    ? styled(io, "red", "proof of misbehaviour")
    : styled(io, "yellow", "no proof by itself");
  io.out(
    formatFacts(io, [
      ["verdict", word],
      ["kind", kind],
      ["origin", visible(origin)],
      ["vkey", visible(key)],
    ]),
  );
  io.out("");
  io.out(visible(summary));
  if (options.vkey === undefined) io.err("Compare the vkey with that of the log: --vkey VKEY does.");
}

async function verifyProof(bytes: Uint8Array, { vkey, json }: VerifyOptions, io: Io): Promise<void> {
  if (vkey === undefined) {
    throw new TrustixError("USAGE", "a proof is checked with the key of its log", {
      hint: "Give it with --vkey VKEY.",
    });
  }
  const { origin, index, size, entry } = await verifyProofFile(bytes, { vkey });
  const text = Buffer.from(entry).toString();
  if (json) {
    io.out(JSON.stringify({ kind: "proof", origin, key: vkey, index, size, entry: text }));
    return;
  }
  io.out(
    formatFacts(io, [
      ["verdict", styled(io, "green", "the log has this entry")],
      ["origin", visible(origin)],
      ["index", `${index} of ${size} entries`],
    ]),
  );
  io.out("");
  for (const line of text.trimEnd().split("\n")) io.out(visible(line));
}

async function verifyFolder(directory: string, { vkey, json }: VerifyOptions, io: Io): Promise<void> {
  const { manifest, proofs, unproven, paths } = await verifyProofFolder(directory);
  if (vkey !== undefined && !manifest.logs.some((log) => log.vkey === vkey)) {
    throw new TrustixError("EVIDENCE_INVALID", "nothing in this folder is of the log with that key");
  }
  const { made, logs, suspicions } = manifest;
  if (json) {
    io.out(JSON.stringify({ kind: "proofs", made, proofs, unproven, logs, suspicions, paths }));
    return;
  }
  io.out(
    formatFacts(io, [
      ["verdict", styled(io, "green", `all ${proofs} proofs hold`)],
      ["unproven", `${unproven} claims, which are left out below`],
      ["made", made],
    ]),
  );
  io.out("");
  const keys = logs.map((log) => [log.operator, log.origin, log.vkey].map(visible));
  io.out(formatTable(io, ["BUILDER", "ORIGIN", "VKEY"], keys));
  io.out("");
  const rows = paths.flatMap(({ storePath, statements }) =>
    statements.map(({ statement, operators }) =>
      [storePath, statement.split(";")[2] ?? "", operators.join(", ")].map(visible),
    ),
  );
  io.out(formatTable(io, ["PATH", "NAR HASH", "PUBLISHED BY"], rows));
  io.err("Compare the vkeys with those that the builders give.");
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument(
      "<path>",
      "a file of evidence, a .tlog-proof file, or a folder that `trustix suspects --evidence` wrote",
    )
    .option("--vkey <vkey>", "the key of the log that it should be about; any other is refused")
    .action(async (path: string, options: VerifyOptions) => {
      if ((await stat(path).catch(() => undefined))?.isDirectory()) {
        await verifyFolder(path, options, io);
        return;
      }
      const bytes = await readBounded(path, MAX_EVIDENCE_BYTES);
      const isProof = Buffer.from(bytes.subarray(0, PROOF_HEADER.length)).equals(PROOF_HEADER);
      await (isProof ? verifyProof : verifyFile)(bytes, options, io);
    });
}
