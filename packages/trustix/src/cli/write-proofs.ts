// Writes what proves an explanation: a `.tlog-proof` file for each statement that stands in a log, and evidence where a log
// contradicts itself.

import { join } from "node:path";
import { TrustixError } from "../errors.ts";
import type { Explanation } from "../policy/explain.ts";
import { visible } from "../terminal.ts";
import type { DaemonClient } from "./client.ts";
import { writeNewFile } from "./context.ts";
import type { Io } from "./io.ts";

/** A claim that was to be proven. */
export interface WrittenProof {
  readonly operator: string;
  readonly subscription: string;
  /** In the log; null for what a signed cache said. */
  readonly index: number | null;
  readonly statement: string;
  /** Name of the file in the directory; null when there is none, for the `reason`. */
  readonly file: string | null;
  readonly reason: string | null;
}

/** What was written of an explanation. */
export interface WrittenProofs {
  /** One for each claim of each operator. */
  readonly claims: readonly WrittenProof[];
  /** False when a log did not give what it should. */
  readonly isComplete: boolean;
}

/**
 * Writes the proofs of all that logs say, as the daemon has fetched and checked them. What a log does not give is said, and
 * left out.
 * @param isQuiet whether the files are not named one by one, as there are many
 * @returns what was written
 * @throws TrustixError `FILE_EXISTS`, `STORAGE_FAILED`, `DAEMON_UNREACHABLE`
 */
export async function writeProofs(
  client: DaemonClient,
  explanation: Explanation,
  directory: string,
  io: Io,
  isQuiet = false,
): Promise<WrittenProofs> {
  let isComplete = true;
  const get = (path: string): Promise<string> =>
    client.send({ method: "GET", path: `/api/v1/subscriptions/${path}`, signal: io.signal });
  /** @returns why it was not written */
  const write = async (name: string, fetch: () => Promise<string>): Promise<string | undefined> => {
    let proof: string;
    try {
      proof = await fetch();
    } catch (error) {
      if (!(error instanceof TrustixError) || error.code === "DAEMON_UNREACHABLE" || error.code === "CLOSED")
        throw error;
      io.err(`no ${name}: ${visible(error.message)}`);
      isComplete = false;
      return error.message;
    }
    const path = join(directory, name);
    await writeNewFile(path, proof, 0o644);
    if (!isQuiet) io.err(`wrote ${path}`);
    return undefined;
  };
  const statements = new Map(explanation.statements.map(({ label, statement }) => [label, statement]));
  const claims: WrittenProof[] = [];
  for (const { operator, sources, vote } of explanation.votes) {
    for (const { subscription, index, label } of sources) {
      const statement = statements.get(label) ?? "";
      const claim = { operator, subscription, index, statement };
      if (index === null) {
        claims.push({ ...claim, file: null, reason: "a signature only: no log has it" });
        continue;
      }
      const file = `${subscription}-${index}.tlog-proof`;
      const reason = await write(file, () => get(`${encodeURIComponent(subscription)}/proof?index=${index}`));
      claims.push(reason === undefined ? { ...claim, file, reason: null } : { ...claim, file: null, reason });
    }
    if (vote !== "conflicting") continue;
    const logged = sources.filter(({ evidence }) => evidence === "logged");
    for (const each of new Set(logged.map(({ subscription }) => subscription))) {
      const own = logged.filter(({ subscription }) => subscription === each);
      if (new Set(own.map(({ label }) => label)).size < 2) continue;
      const query = `contradiction?what=${explanation.hashPart}`;
      await write(`contradiction-${each}-${explanation.hashPart}.json`, () =>
        get(`${encodeURIComponent(each)}/${query}`),
      );
    }
  }
  return { claims, isComplete };
}
