// Rewrites the configuration file: checked before and after, in one step, so that a daemon never reads half of it.
import { randomUUID } from "node:crypto";
import { type FileHandle, open, readFile, realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import { type ConfigOptions, findConfig } from "./context.ts";
import type { Io } from "./io.ts";

/** A change that is checked and waits to be written. */
export interface ConfigChange {
  /** What the file says with the change. */
  readonly config: Config;
  /** Replaces the file. @throws TrustixError `STORAGE_FAILED` when it cannot be written, or was changed meanwhile */
  commit(): Promise<void>;
}

/** The configuration file, open for a change. */
export interface EditableConfig {
  readonly config: Config;
  readonly text: string;
  /**
   * Checks what the file would say.
   * @throws TrustixError `CONFIG_INVALID` with what is wrong then; nothing was changed
   */
  change(text: string): Promise<ConfigChange>;
}

/** Finds, reads and checks the configuration. @throws TrustixError `CONFIG_MISSING`, `CONFIG_INVALID` */
export async function editConfig(options: ConfigOptions, io: Io): Promise<EditableConfig> {
  const { loadConfig, parseConfig } = await import("../config/load.ts");
  const file = await findConfig(options, io);
  const config = await loadConfig(file);
  const text = await readFile(file, "utf8");
  const change = async (changed: string): Promise<ConfigChange> => ({
    config: parseConfig(changed, file),
    commit: () => replaceFile(file, text, changed),
  });
  return { config, text, change };
}

/** Puts a file in another's place; owner and permissions stay. */
async function replaceFile(file: string, before: string, after: string): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await realpath(file);
    temporary = `${target}.${randomUUID()}.tmp`;
    {
      await using old = await open(target, "r");
      const { mode, uid, gid } = await old.stat();
      await using fresh = await open(temporary, "wx", mode & 0o777);
      await fresh.chmod(mode & 0o777);
      await keepOwner(fresh, uid, gid);
      await fresh.writeFile(after);
      await fresh.sync();
      if ((await old.readFile("utf8")) !== before) {
        throw new TrustixError("STORAGE_FAILED", `${file} was changed by someone else meanwhile`, {
          hint: "Nothing was changed; run the command again.",
        });
      }
    }
    await rename(temporary, target);
    temporary = undefined;
    await using directory = await open(dirname(target), "r");
    await directory.sync();
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new TrustixError("STORAGE_FAILED", `${file} cannot be rewritten (${code})`, {
      hint: "Run this as the owner of the file and its directory, or add the sections by hand: --dry-run prints them.",
      cause,
    });
  } finally {
    if (temporary !== undefined) await rm(temporary, { force: true });
  }
}

/** Only root may give a file away; for others it is theirs already, or the group is one of theirs. */
async function keepOwner(file: FileHandle, uid: number, gid: number): Promise<void> {
  const now = await file.stat();
  if (now.uid !== uid || now.gid !== gid) await file.chown(uid, gid);
}
