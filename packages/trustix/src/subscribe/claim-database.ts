// The database of the claims: its tables, and how it is opened for writing.

import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { TrustixError } from "../errors.ts";
import { isDatabaseBusy } from "../store/state-lock.ts";

/** Changes with the meaning of the rows. */
const VERSION = 2;

/**
 * - `log`: where reading each log stands. What a signed cache said is kept like a log, too.
 * - `claim`: `key` is the beginning of a map key, `seen` in seconds since 1970, `system` 0 when unknown.
 * - `checkpoint`: those accepted, the newest of each log; `seen` in milliseconds.
 * - `feed`: what changed, in order. `count` claims were added, or, when it is negative, so many were forgotten and `log`
 *   began anew. `keys` are those of the claims one after another. Rows go when whoever follows has seen them; their numbers
 *   are never used again.
 * - `identity`: one row that no other database has, so that whoever follows knows that it is still the same one.
 */
const SCHEMA = `
  CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL, key TEXT NOT NULL, protocol TEXT NOT NULL,
    size INTEGER NOT NULL, root TEXT NOT NULL, note TEXT NOT NULL, seen INTEGER NOT NULL,
    next_index INTEGER NOT NULL, claims INTEGER NOT NULL, unreadable INTEGER NOT NULL, surplus INTEGER NOT NULL,
    statement_bytes INTEGER NOT NULL, rolled_back INTEGER, fault TEXT,
    UNIQUE (origin, key, protocol)
  ) STRICT;
  CREATE TABLE statement (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE claim (
    key BLOB NOT NULL, log INTEGER NOT NULL, claim INTEGER NOT NULL, statement INTEGER NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (key, log, claim)
  ) STRICT, WITHOUT ROWID;
`;

/** What version 2 added. Claims from before are of unknown system. */
const SCHEMA_2 = `
  ALTER TABLE claim ADD COLUMN system INTEGER NOT NULL DEFAULT 0;
  CREATE TABLE system (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE checkpoint (
    log INTEGER NOT NULL, size INTEGER NOT NULL, root TEXT NOT NULL, note TEXT NOT NULL, seen INTEGER NOT NULL,
    UNIQUE (log, size)
  ) STRICT;
  INSERT INTO checkpoint (log, size, root, note, seen) SELECT id, size, root, note, seen FROM log WHERE note <> '';
  CREATE TABLE feed (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    log INTEGER NOT NULL, count INTEGER NOT NULL, seen INTEGER NOT NULL, keys BLOB NOT NULL
  ) STRICT;
  CREATE TABLE identity (id TEXT NOT NULL) STRICT;
`;

/** Opens the database for its only writer; see `ClaimStore.open`. */
export function openClaimDatabase(path: string): DatabaseSync {
  try {
    return openDatabase(path);
  } catch (cause) {
    throw openError(path, cause);
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -64000;
      PRAGMA wal_autocheckpoint = 16000;
      PRAGMA journal_size_limit = 67108864;
      BEGIN IMMEDIATE;
    `);
    const version = database.prepare("PRAGMA user_version").get()!.user_version;
    if (version !== 0 && version !== 1 && version !== VERSION) {
      throw new TrustixError("STATE_CORRUPT", `${path} is of version ${version}, not ${VERSION}`, {
        hint: "Use the version of Trustix that wrote it, or remove it to read all logs again from their beginning.",
      });
    }
    if (version === 0) database.exec(SCHEMA);
    if (version !== VERSION) {
      database.exec(`${SCHEMA_2} PRAGMA user_version = ${VERSION};`);
      database.prepare("INSERT INTO identity (id) VALUES (?)").run(randomUUID());
    }
    database.exec("COMMIT");
    return database;
  } catch (error) {
    if (database.isOpen) database.close();
    throw error;
  }
}

function openError(path: string, cause: unknown): TrustixError {
  if (cause instanceof TrustixError) return cause;
  if (isDatabaseBusy(cause)) {
    return new TrustixError("STATE_LOCKED", `another process is writing to ${path}`, {
      hint: "Stop that process, or give this one its own state directory.",
      cause,
    });
  }
  // SQLITE_CORRUPT and SQLITE_NOTADB. What was seen of the logs is in there, so it is never thrown away silently.
  const isDamaged =
    cause instanceof Error && "errcode" in cause && (cause.errcode === 11 || cause.errcode === 26);
  if (isDamaged) {
    return new TrustixError("STATE_CORRUPT", `${path} is damaged`, {
      hint: "Check the disk. Remove the file to read all logs again from their beginning; rollbacks and forks since then go unnoticed.",
      cause,
    });
  }
  return new TrustixError("STORAGE_FAILED", `cannot open ${path}`, {
    hint: "Check that the directory exists, that this user may write to it, and that the disk has room.",
    cause,
  });
}
