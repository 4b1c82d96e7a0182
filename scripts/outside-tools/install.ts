// Outside tools in folders: .cache/outside-tools/<name> holds unpacked packages, launchers and a stamp.
// A folder appears by one rename, complete, or not at all.

import { createHash } from "node:crypto";
import {
  chmod,
  glob,
  mkdir,
  mkdtemp,
  open,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { downloadPackages, ToolUnavailable } from "./apt.ts";
import { TOOLS, type ToolName, type ToolRecipe } from "./catalog.ts";
import { run } from "./process.ts";

/** Where the folders live; ignored by git. */
const TOOLS_DIRECTORY = join(import.meta.dirname, "../../.cache/outside-tools");

/** Raise it when launchers or layout change, so that older folders are made anew. */
const LAYOUT = 2;

/** An outside tool that is ready to run. */
export interface Tool {
  readonly name: ToolName;
  /** Unpacked packages: a root directory tree. */
  readonly root: string;
  /** Launchers: put it first on PATH or run them by path. */
  readonly bin: string;
  /** `name_version_arch` of every unpacked package. */
  readonly packages: readonly string[];
}

/** The tool if its folder is there and current; downloads nothing. */
export async function installedTool(name: ToolName): Promise<Tool | undefined> {
  const directory = join(TOOLS_DIRECTORY, name);
  try {
    const stamp = JSON.parse(await readFile(join(directory, "stamp.json"), "utf8"));
    if (stamp.recipe !== recipeId(name)) return undefined;
    return { name, root: join(directory, "root"), bin: join(directory, "bin"), packages: stamp.packages };
  } catch {
    return undefined;
  }
}

/** The tool, fetched if need be. @throws {ToolUnavailable} saying why it cannot be had. */
export async function ensureTool(name: ToolName): Promise<Tool> {
  const present = await installedTool(name);
  if (present !== undefined) return present;
  await mkdir(TOOLS_DIRECTORY, { recursive: true });
  await using _suite = await lock(join(TOOLS_DIRECTORY, `${TOOLS[name].suite}.lock`));
  const madeMeanwhile = await installedTool(name);
  if (madeMeanwhile !== undefined) return madeMeanwhile;
  await unpack(name, TOOLS[name]);
  return (await installedTool(name))!;
}

/** Launchers name absolute paths, so a moved checkout makes its folders anew. */
function recipeId(name: ToolName): string {
  const recipe = JSON.stringify([
    LAYOUT,
    TOOLS_DIRECTORY,
    TOOLS[name],
    String((TOOLS[name] as ToolRecipe).without),
  ]);
  return createHash("sha256").update(recipe).digest("hex");
}

async function unpack(name: ToolName, recipe: ToolRecipe): Promise<void> {
  const { suite } = recipe;
  const apt = join(TOOLS_DIRECTORY, "apt", suite);
  const packages = await downloadPackages(apt, suite, recipe.packages, recipe.without);
  const fresh = await mkdtemp(join(TOOLS_DIRECTORY, `.${name}-`));
  try {
    const root = join(fresh, "root");
    await mkdir(root);
    for (const { path } of packages) await run("dpkg-deb", ["--extract", path, root], { check: true });
    const home = join(TOOLS_DIRECTORY, name);
    await mkdir(join(fresh, "bin"));
    await mkdir(join(fresh, "cache"));
    await writeLaunchers(fresh, home, recipe);
    const stamp = { recipe: recipeId(name), packages: packages.map(({ id }) => id) };
    await writeFile(join(fresh, "stamp.json"), `${JSON.stringify(stamp, null, 2)}\n`);
    await chmod(fresh, 0o755);
    await rm(home, { recursive: true, force: true });
    await rename(fresh, home);
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true });
    throw cause;
  }
  await Promise.all(packages.map(({ path }) => rm(path, { force: true })));
}

/** One POSIX sh script a command, which runs it with the libraries it came with and not the machine's. */
async function writeLaunchers(fresh: string, home: string, recipe: ToolRecipe): Promise<void> {
  const root = join(fresh, "root");
  const final = (path: string): string => join(home, relative(fresh, path));
  const libraries = (await existing(root, ["lib", "usr/lib"], "*-linux-gnu*")).map(final).join(":");
  const loader = (
    await existing(root, ["lib64", "lib", "usr/lib64", "usr/lib"], "{,*-linux-gnu*/}ld-linux*.so.*")
  )[0];
  let made = 0;
  for (const pattern of recipe.commands) {
    for await (const path of glob(pattern, { cwd: root })) {
      const program = await realpath(join(root, path));
      const lines = ["#!/bin/sh"];
      for (const [key, value] of Object.entries(recipe.env ?? {})) {
        const text = value.replace("{root}", join(home, "root")).replace("{cache}", join(home, "cache"));
        lines.push(`export ${key}=${quote(text)}`);
      }
      const argv0 = basename(path);
      if (loader !== undefined && (await needsLoader(program))) {
        const options = `--inhibit-cache --argv0 ${argv0} --library-path ${quote(libraries)}`;
        lines.push(`exec ${quote(final(loader))} ${options} ${quote(final(program))} "$@"`);
      } else {
        lines.push(`exec ${quote(final(program))} "$@"`);
      }
      await writeFile(join(fresh, "bin", argv0), `${lines.join("\n")}\n`, { mode: 0o755 });
      made++;
    }
  }
  if (made === 0)
    throw new ToolUnavailable(
      `${recipe.packages.join(" ")} in ${recipe.suite} has none of ${recipe.commands}`,
    );
}

/** Matches of a pattern below those of the places that exist, in the order of the places. */
async function existing(
  root: string,
  places: readonly string[],
  pattern: string,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const place of places) {
    for await (const path of glob(pattern, { cwd: join(root, place) })) found.push(join(root, place, path));
  }
  return found;
}

/** Whether the file is a dynamically linked ELF program: the loader's name is in its first page. */
async function needsLoader(program: string): Promise<boolean> {
  await using file = await open(program);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
  const head = buffer.subarray(0, bytesRead);
  return head.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1")) && head.includes("ld-linux");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Waits for its turn among processes; a lock whose holder is gone is taken over. */
async function lock(path: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      await writeFile(path, `${process.pid}\n`, { flag: "wx" });
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(await readFile(path, "utf8").catch(() => ""));
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    // A file without a process id is one whose writer is between create and write, unless it is old.
    const abandoned = holder > 0 ? !isAlive(holder) : age > 10_000;
    if (abandoned) await rm(path, { force: true });
    else await sleep(200);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
