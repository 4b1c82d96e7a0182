// What several commands share: where the configuration is, and how keys are written.
import { access, chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import type { Io } from "./io.ts";

/** Options that every command with a configuration has. */
export interface ConfigOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** The configuration file that applies: the option, the environment, then the usual places. */
export async function findConfig(options: ConfigOptions, io: Io): Promise<string> {
  const named = options.config ?? io.env.TRUSTIX_CONFIG;
  if (named !== undefined && named !== "") return resolve(named);
  for (const candidate of [resolve("trustix.toml"), "/etc/trustix/trustix.toml"]) {
    if (await exists(candidate)) return candidate;
  }
  throw new TrustixError(
    "CONFIG_MISSING",
    "no configuration: neither ./trustix.toml nor /etc/trustix/trustix.toml is there",
    {
      hint: "Name one with --config FILE or TRUSTIX_CONFIG, or write a new one with `trustix init`.",
    },
  );
}

/** Finds and loads the configuration. @throws TrustixError `CONFIG_MISSING`, `CONFIG_INVALID` */
export async function loadCommandConfig(options: ConfigOptions, io: Io): Promise<Config> {
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig(await findConfig(options, io));
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a file that must not exist yet, synced to disk.
 * @throws TrustixError `FILE_EXISTS`, `STORAGE_FAILED`
 */
export async function writeNewFile(path: string, text: string, mode: number): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await using file = await open(path, "wx", mode);
    await file.writeFile(text);
    await file.sync();
    // The umask may have taken bits that the mode asks for.
    await chmod(path, mode);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      throw new TrustixError("FILE_EXISTS", `${path} exists already; nothing was changed`, {
        hint: "Choose another place, or move the file away first.",
      });
    }
    throw new TrustixError("STORAGE_FAILED", `${path} cannot be written (${code})`, { cause });
  }
}

/**
 * Writes a file, in place of what has its name. Readers see the old file or the new one, never a part.
 * @throws TrustixError `STORAGE_FAILED`
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    {
      await using file = await open(temporary, "w");
      await file.writeFile(text);
      await file.sync();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    const { code } = cause as NodeJS.ErrnoException;
    throw new TrustixError("STORAGE_FAILED", `${path} cannot be written (${code})`, { cause });
  }
}
