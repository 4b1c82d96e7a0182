// All that a claim store has, for comparing two of them: numbers that depend on the order of reading are left out.

import { DatabaseSync } from "node:sqlite";

/** One line for each claim: key, origin, index, statement; sorted. */
export function dumpClaims(path: string): string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database
    .prepare(
      `SELECT hex(c.key) AS key, l.origin AS origin, c.claim AS claim, s.text AS text
       FROM claim c JOIN log l ON l.id = c.log JOIN statement s ON s.id = c.statement ORDER BY 1, 2, 3`,
    )
    .all();
  database.close();
  return rows.map(({ key, origin, claim, text }) => `${key} ${origin} ${claim} ${text}`);
}
