// trustix evidence verify FILE
import { open } from "node:fs/promises";
import type { Command } from "commander";
import { TrustixError } from "../../errors.ts";
import { MAX_EVIDENCE_BYTES, verifyEvidence } from "../../subscribe/evidence.ts";
import { formatFacts, type Io, printable, styled } from "../io.ts";

interface VerifyOptions {
  readonly vkey?: string;
  readonly json?: boolean;
}

async function readEvidence(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, "r");
    const bytes = Buffer.alloc(MAX_EVIDENCE_BYTES + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length);
      if (bytesRead === 0) return bytes.subarray(0, length);
      length += bytesRead;
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TrustixError("NOT_FOUND", `${path} cannot be read (${code})`, { cause });
  }
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<file>", "a file of evidence")
    .option("--vkey <vkey>", "the key of the log that it should be about; any other is refused")
    .action(async (path: string, options: VerifyOptions) => {
      const verdict = await verifyEvidence(await readEvidence(path));
      if (options.vkey !== undefined && options.vkey !== verdict.key) {
        throw new TrustixError("EVIDENCE_INVALID", `this is about the key ${printable(verdict.key)}`, {
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
          ["origin", printable(origin)],
          ["vkey", printable(key)],
        ]),
      );
      io.out("");
      io.out(printable(summary));
      if (options.vkey === undefined) io.err("Compare the vkey with that of the log: --vkey VKEY does.");
    });
}
