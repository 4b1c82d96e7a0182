// Compares what analysis keeps, after whatever has happened to it, with the same made from the claims in one go.

import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Follower } from "../analyse/follower.ts";
import { ClaimReader } from "../subscribe/claim-reader.ts";

/** All that is counted, numbers that depend on the order of events left out. */
function dumpAnalysis(path: string): Record<string, unknown[]> {
  using database = new DatabaseSync(path, { readOnly: true });
  const all = (sql: string) => database.prepare(sql).all();
  return {
    paths: all(
      `SELECT hex(key) AS key, hash, p.name, package, s.name AS system, t.text AS pattern, kind, status, first_seen, changed,
       disputed, healed FROM path p JOIN pattern t ON t.id = p.pattern LEFT JOIN system s ON s.id = p.system ORDER BY hash`,
    ),
    cells: all(
      `SELECT t.text AS pattern, s.name AS system, day, paths FROM cell c
       JOIN pattern t ON t.id = c.pattern LEFT JOIN system s ON s.id = c.system ORDER BY 1, 2, 3`,
    ),
    growth: all("SELECT * FROM growth ORDER BY log, hour"),
    turns: all("SELECT * FROM turn ORDER BY hour"),
    cursor: all("SELECT cursor FROM progress"),
  };
}

/** Lets a follower take in all that there is. */
export async function finish(follower: Follower): Promise<void> {
  while (await follower.step(async () => true));
}

/**
 * Takes in what is left, makes the same anew with the same operators and absences, and returns what each has. Nobody may have the
 * analysis open.
 */
export async function rebuildAnalysis(
  claimsPath: string,
  analysisPath: string,
): Promise<{ readonly kept: Record<string, unknown[]>; readonly rebuilt: Record<string, unknown[]> }> {
  const scratch = `${analysisPath}-rebuilt`;
  using claims = new ClaimReader(claimsPath);
  const logs = sourcesOf(analysisPath);
  const open = (path: string) => Follower.open({ path, claims, logs, now: Date.now });
  try {
    {
      using follower = open(analysisPath);
      await finish(follower);
    }
    open(scratch)[Symbol.dispose]();
    {
      using database = new DatabaseSync(scratch);
      database.exec(`ATTACH '${analysisPath}' AS kept`);
      for (const table of ["operator", "source", "absence"])
        database.exec(`DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM kept.${table}`);
    }
    {
      using follower = open(scratch);
      await finish(follower);
    }
    return { kept: dumpAnalysis(analysisPath), rebuilt: dumpAnalysis(scratch) };
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(scratch + suffix, { force: true });
  }
}

/** The logs that are listened to: those of operators that are not away. */
function sourcesOf(analysisPath: string) {
  using database = new DatabaseSync(analysisPath, { readOnly: true });
  return database
    .prepare(
      `SELECT log, name AS operator, subscription FROM source s JOIN operator o ON o.id = s.operator WHERE NOT EXISTS
       (SELECT 1 FROM absence a WHERE a.operator = o.id AND a.why = 'unsubscribed' AND a.until_ms IS NULL)`,
    )
    .all()
    .map((row) => ({
      log: row.log as number,
      operator: row.operator as string,
      subscription: row.subscription as string,
    }));
}
