// A folder to give to others: on every path that weighs against a suspect, the proofs of what each builder published.
import { join } from "node:path";
import { createVerifier } from "@trustix/tlog";
import { plural } from "../analyse/render/counts.ts";
import type { Config } from "../config/load.ts";
import type { SuspicionJson } from "../http/insight-schema.ts";
import type { Explanation } from "../policy/explain.ts";
import type { DaemonClient } from "./client.ts";
import { writeNewFile } from "./context.ts";
import { EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import { Progress } from "./progress.ts";
import { formatManifest, MANIFEST, type ProofManifest } from "./proof-folder.ts";
import { writeProofs } from "./write-proofs.ts";

const README = `What several builders published about the same store paths, with proofs.

Each \`.tlog-proof\` file shows that a builder's log has an entry: the entry itself is in its \`extra\` line, then come its
index, an inclusion proof, and the checkpoint that the log's key signed (https://c2sp.org/tlog-proof). \`${MANIFEST}\` says
which file is whose, and by which key each log is checked.

Check all of it, offline:

    trustix evidence verify .

This proves who published what. It does not prove why: that a builder deviates on purpose is an estimate, made from all
paths that the writer of this folder knows. Compare the keys with those that the builders themselves give.
`;

/**
 * Writes the folder. Paths that several suspects share are written once.
 * @throws TrustixError `FILE_EXISTS` when something is there already
 */
export async function writeSuspectsEvidence(
  client: DaemonClient,
  config: Config,
  suspicions: readonly SuspicionJson[],
  directory: string,
  io: Io,
): Promise<void> {
  const claims: ProofManifest["claims"] = [];
  const paths = new Map(suspicions.flatMap(({ evidence }) => evidence.map((each) => [each.hashPart, each])));
  // First, so that a folder that is in use is left alone.
  await writeNewFile(join(directory, "README.md"), README, 0o644);
  let isComplete = true;
  {
    using progress = new Progress(io, "proving");
    let done = 0;
    for (const { hashPart, name, storePath } of paths.values()) {
      const base = `${hashPart}-${name}`;
      const path = `/api/v1/decisions/${encodeURIComponent(base)}`;
      const answer = await client.json({ method: "GET", path, signal: io.signal });
      const written = await writeProofs(client, answer as Explanation, join(directory, base), io, true);
      isComplete &&= written.isComplete;
      for (const { file, ...claim } of written.claims) {
        claims.push({ storePath, ...claim, file: file === null ? null : `${base}/${file}` });
      }
      progress.update(++done, paths.size, "paths");
    }
  }
  const manifest = formatManifest({
    made: io.now().toISOString(),
    storeDir: config.nix.storeDir,
    logs: config.subscription.flatMap(({ name, operator, vkey, origin }) =>
      vkey === undefined
        ? []
        : [{ subscription: name, operator, origin: origin ?? createVerifier(vkey).name, vkey }],
    ),
    suspicions: suspicions.map(({ evidence: _, ...rest }) => rest),
    claims,
  });
  await writeNewFile(join(directory, MANIFEST), manifest, 0o644);
  const proofs = claims.filter(({ file }) => file !== null).length;
  io.err(`wrote ${plural(proofs, "proof")} on ${plural(paths.size, "path")} to ${directory}`);
  if (!isComplete) io.setExitStatus(EXIT.failed);
}
