// All paths of the analysis database as far as every question asks about all of them: columns and names, held in memory
// and kept up to date by the version of each row. A million paths take about 60 MB, and are read in two or three seconds.
import type { DatabaseSync } from "node:sqlite";
import { Catalogue } from "./catalogue.ts";
import { type NamedPath, NameOrder } from "./name-order.ts";
import type { Pace } from "./pace.ts";
import { PathColumns } from "./path-columns.ts";

/** Rows that are read at a time: about a millisecond. */
const PAGE = 512;
/** Rows whose names are put in order at a time: a few milliseconds. */
const BATCH = 4096;

type Row = readonly [
  version: number,
  id: number,
  name: string,
  pattern: number,
  system: number,
  firstSeen: number,
  changed: number,
];

/** What is in memory. */
export interface PathTables {
  readonly columns: PathColumns;
  readonly names: NameOrder;
  readonly catalogue: Catalogue;
}

const emptyTables = (): PathTables => ({
  columns: new PathColumns(),
  names: new NameOrder(),
  catalogue: new Catalogue(),
});

/** The paths in memory. */
export class PathIndex {
  #tables = emptyTables();
  #epoch: number | undefined;
  #version = 0;

  /** What is known as of {@link version}, or a little later. */
  get tables(): PathTables {
    return this.#tables;
  }

  /** The version of the analysis up to which rows were read. */
  get version(): number {
    return this.#version;
  }

  /**
   * Reads what is new, in pieces; queries see it come. Not to be called again before it is done. Returns whether there was
   * anything.
   * @param database a connection that nobody else uses meanwhile
   */
  async refresh(database: DatabaseSync, pace: Pace): Promise<boolean> {
    database.exec("BEGIN");
    try {
      const progress = database.prepare("SELECT version, epoch FROM progress").get();
      if (progress === undefined) return false;
      const [version, epoch] = [progress.version as number, progress.epoch as number];
      const isSame = this.#epoch === epoch;
      if (isSame && version === this.#version) return false;
      // Rows that went away are not missed one by one: everything is read again, and replaced when that is done.
      const tables = isSame ? this.#tables : emptyTables();
      const isFirst = this.#epoch === undefined;
      if (isFirst) this.#tables = tables;
      tables.catalogue.read(database);
      await readRows(database, tables, isSame ? this.#version : -1, pace);
      this.#tables = tables;
      [this.#epoch, this.#version] = [epoch, version];
      return true;
    } finally {
      if (database.isTransaction) database.exec("COMMIT");
    }
  }
}

async function readRows(
  database: DatabaseSync,
  { columns, names }: PathTables,
  after: number,
  pace: Pace,
): Promise<void> {
  const select = database.prepare(
    `SELECT version, id, name, pattern, system, first_seen, changed FROM path
     WHERE (version, id) > (?, ?) ORDER BY version, id LIMIT ${PAGE}`,
  );
  select.setReturnArrays(true);
  let added: NamedPath[] = [];
  let position: readonly [number, number] = [after, Number.MAX_SAFE_INTEGER];
  for (;;) {
    const rows = select.all(...position) as unknown as Row[];
    for (const [, id, name, pattern, system, firstSeen, changed] of rows) {
      const isRenamed = columns.set({ id, name, pattern, system, firstSeen, changed });
      if (isRenamed) added.push({ id, name });
    }
    const last = rows.at(-1);
    if (last === undefined || added.length >= BATCH) {
      await names.add(added, pace);
      added = [];
    }
    if (last === undefined) return;
    position = [last[0], last[1]];
    if (pace.isDue) await pace.pause();
  }
}
