// Debian packages without touching the system: apt with its own sources, lists, cache and an empty
// package database, so that a whole dependency closure is downloaded and nothing is installed.

import { access, mkdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "./process.ts";

/** Debian's public mirror: used when the machine's own apt names no Debian mirror (Ubuntu, for one). */
const PUBLIC_MIRROR = "http://deb.debian.org/debian/";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LISTS_FRESH_MS = 24 * 60 * 60 * 1000;

/** Why an outside tool cannot be had on this machine, with what to do about it. */
export class ToolUnavailable extends Error {
  override readonly name = "ToolUnavailable";
}

/** One downloaded package file. */
export interface Package {
  /** `name_version_arch`. */
  readonly id: string;
  readonly path: string;
}

/** Downloads packages of one suite with all they depend on, except those whose name matches `without`. */
export async function downloadPackages(
  directory: string,
  suite: string,
  names: readonly string[],
  without?: RegExp,
): Promise<readonly Package[]> {
  const env = await privateApt(directory, suite);
  await refreshLists(directory, env);
  const plan = await apt(["install", "--yes", "--no-install-recommends", "--print-uris", ...names], env);
  // 'uri' file size hash: the file is `name_version_arch.deb`, its version escaped.
  const files = [...plan.matchAll(/^'[^']+' (\S+\.deb) \d+ /gm)].map((match) => match[1]!);
  const wanted = files.filter((file) => !without?.test(packageName(file)));
  const archives = join(directory, "cache/archives");
  await apt(["download", "--quiet", ...wanted.map(packageName)], env, archives);
  return wanted.map((file) => ({
    id: decodeURIComponent(basename(file, ".deb")),
    path: join(archives, file),
  }));
}

function packageName(file: string): string {
  return file.slice(0, file.indexOf("_"));
}

/** Writes the private configuration and returns the environment that makes apt use nothing else. */
async function privateApt(directory: string, suite: string): Promise<NodeJS.ProcessEnv> {
  await Promise.all(
    ["lists/partial", "cache/archives/partial", "empty", "log"].map((name) =>
      mkdir(join(directory, name), { recursive: true }),
    ),
  );
  const keyring = await access(KEYRING).then(
    () => KEYRING,
    () => {
      throw new ToolUnavailable(`${KEYRING} is missing: apt-get install debian-archive-keyring`);
    },
  );
  await writeFile(
    join(directory, "sources.list"),
    `deb [signed-by=${keyring}] ${await debianMirror()} ${suite} main\n`,
  );
  await writeFile(join(directory, "status"), "");
  const settings: Record<string, string> = {
    "Dir::Etc::main": join(directory, "empty/none"),
    "Dir::Etc::parts": join(directory, "empty"),
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": join(directory, "empty"),
    "Dir::Etc::preferences": join(directory, "empty/none"),
    "Dir::Etc::preferencesparts": join(directory, "empty"),
    "Dir::State": directory,
    "Dir::State::lists": join(directory, "lists"),
    "Dir::State::status": join(directory, "status"),
    "Dir::Cache": join(directory, "cache"),
    "Dir::Log": join(directory, "log"),
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Debug::NoLocking": "1",
  };
  const own = Object.entries(settings).map(([key, value]) => `${key} "${value}";\n`);
  const config = join(directory, "apt.conf");
  await writeFile(config, (await downloadSettings()) + own.join(""));
  return { ...process.env, APT_CONFIG: config, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
}

/** How this machine downloads (proxies, certificates, validity checks): needed to reach a mirror at all. */
async function downloadSettings(): Promise<string> {
  const dump = await run("apt-config", ["dump"], { check: true }).catch((cause) => {
    throw new ToolUnavailable("apt is needed to fetch Debian packages: use a Debian-like machine", { cause });
  });
  return dump.stdout.replace(/^(?!Acquire::).*\n|^Acquire::(IndexTargets|Languages|cdrom)\b.*\n/gm, "");
}

/** The Debian mirror that the machine's own apt uses. */
async function debianMirror(): Promise<string> {
  const targets = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)"]);
  return targets.stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri)) ?? PUBLIC_MIRROR;
}

async function refreshLists(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const stamp = join(directory, "updated");
  const age = await stat(stamp).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
  if (age < LISTS_FRESH_MS) return;
  await apt(["update", "--quiet", "--error-on=any"], env);
  await writeFile(stamp, "");
}

async function apt(args: readonly string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
  const { status, stdout, stderr } = await run("apt-get", args, cwd === undefined ? { env } : { env, cwd });
  if (status === 0) return stdout;
  const errors = stderr.split("\n").filter((line) => line.startsWith("E: "));
  throw new ToolUnavailable(`apt-get ${args[0]}: ${errors.join(" ") || stderr.trim() || `exited ${status}`}`);
}
