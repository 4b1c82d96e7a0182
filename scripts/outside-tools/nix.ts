// Real Nix releases for tests: unpacked in a folder, with a /nix of their own, leaving the machine's alone.
//
// A store path is a statement about /nix/store, so a store elsewhere would prove little. Every command runs in a
// mount namespace in which /nix is a private folder: see private-nix.sh.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installedTool } from "./install.ts";
import { type Finished, type RunOptions, run } from "./process.ts";

/** The Nix releases that tests run against, oldest first. */
export const NIX_VERSIONS = ["2.8", "2.26", "2.34"] as const;

/** One of {@link NIX_VERSIONS}. */
export type NixVersion = (typeof NIX_VERSIONS)[number];

/** Settings written to nix.conf, by name. */
export type NixSettings = Readonly<Record<string, string>>;

/** A Nix with a private /nix, opened by {@link openNix} or {@link openPrivateNix}. */
export interface Nix {
  /** The folder that appears as /nix inside, as it is called outside: for looking into the store from a test. */
  readonly physical: string;
  /** The environment commands run with; programs of ours that call Nix need it too. */
  readonly env: NodeJS.ProcessEnv;
  /** Put before any command line, makes it run where /nix is the private one. The process id is the command's. */
  readonly prefix: readonly [string, ...string[]];
  /** Runs a command inside, in {@link env} plus `options.env`. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Rewrites nix.conf: the settings tests need, then these. For a daemon it counts from its next start. */
  configure(settings: NixSettings): Promise<void>;
  /** Starts a nix-daemon; commands use it when run with the returned environment. */
  startDaemon(): Promise<NixDaemon>;
}

/** A running nix-daemon. */
export interface NixDaemon extends AsyncDisposable {
  /** The socket, as named inside. */
  readonly socket: string;
  /** What sends a command's store operations to the daemon. */
  readonly env: Readonly<Record<string, string>>;
}

/** How {@link openNix} sets a Nix up. */
export interface OpenNixOptions {
  /** A folder that holds store, state, configuration and home. Reopening it finds the same store. */
  readonly root: string;
  /** Further nix.conf settings, such as `post-build-hook`. */
  readonly settings?: NixSettings;
  /** The machine's own /nix/store shows through, unregistered: for a Nix or a shell that lives there. Default false. */
  readonly machineStore?: boolean;
}

/** The releases that can run here and now: fetched, and on a machine that allows mount namespaces. */
export async function listNixVersions(): Promise<readonly NixVersion[]> {
  if (!(await canPrivatiseNix())) return [];
  const tools = await Promise.all(NIX_VERSIONS.map((version) => installedTool(`nix-${version}`)));
  return NIX_VERSIONS.filter((_, index) => tools[index] !== undefined);
}

/** Whether this machine lets us give a process a /nix of its own (root, or user namespaces for everyone). */
export async function canPrivatiseNix(): Promise<boolean> {
  const map = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const tried = await run("unshare", [...map, "--mount", "true"]).catch(() => undefined);
  return tried?.status === 0;
}

/** Opens a Nix release on a private store. @throws {Error} unless it is among {@link listNixVersions}. */
export async function openNix(version: NixVersion, options: OpenNixOptions): Promise<Nix> {
  const tool = await installedTool(`nix-${version}`);
  if (tool === undefined)
    throw new Error(`Nix ${version} is not here: node scripts/outside-tools/main.ts nix-${version}`);
  return await openPrivateNix(tool.bin, options);
}

/** Opens the Nix whose commands are in the folder `bin` on a private store. */
export async function openPrivateNix(bin: string, options: OpenNixOptions): Promise<Nix> {
  const { root, machineStore = false } = options;
  const folders = ["nix/store", "nix/var/nix", "mount", "conf", "home", ...(machineStore ? ["overlay"] : [])];
  for (const name of folders) {
    await mkdir(join(root, name), { recursive: true });
  }
  const env = environment(bin, root);
  const prefix = [join(import.meta.dirname, "private-nix.sh"), root] as const;
  const configure = (settings: NixSettings): Promise<void> => writeSettings(root, settings);
  await configure(options.settings ?? {});
  return {
    physical: join(root, "nix"),
    env,
    prefix,
    configure,
    run: (command, args, runOptions = {}) => {
      const [program, ...rest] = [...prefix, command, ...args];
      return run(program, rest, { ...runOptions, env: { ...env, ...runOptions.env } });
    },
    startDaemon: () => startDaemon(prefix, root, env),
  };
}

function environment(bin: string, root: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([key]) => !/^(NIX_|XDG_|IN_NIX_SHELL$)/.test(key));
  return {
    ...Object.fromEntries(inherited),
    PATH: `${bin}:${process.env.PATH ?? "/usr/bin:/bin"}`,
    HOME: join(root, "home"),
    NIX_CONF_DIR: join(root, "conf"),
    NIX_USER_CONF_FILES: "",
    // A launcher's /proc/self/exe is the loader, so Nix must not look there for itself.
    NIX_BIN_DIR: bin,
  };
}

async function writeSettings(root: string, settings: NixSettings): Promise<void> {
  const all: NixSettings = {
    "build-users-group": "",
    "experimental-features": "nix-command",
    sandbox: "false",
    substituters: "",
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`);
  await writeFile(join(root, "conf/nix.conf"), lines.join(""));
}

async function startDaemon(
  prefix: readonly [string, ...string[]],
  root: string,
  env: NodeJS.ProcessEnv,
): Promise<NixDaemon> {
  const [program, ...args] = [...prefix, "nix-daemon"];
  const child = spawn(program, args, { env, stdio: "ignore" });
  const ended = once(child, "exit");
  const physical = join(root, "nix/var/nix/daemon-socket/socket");
  for (let waited = 0; !(await exists(physical)); waited += 20) {
    if (child.exitCode !== null || waited > 10_000) throw new Error("nix-daemon did not open its socket");
    await sleep(20);
  }
  return {
    socket: "/nix/var/nix/daemon-socket/socket",
    env: { NIX_REMOTE: "daemon" },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
