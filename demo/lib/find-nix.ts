// Which Nix the demo builds with: the machine's own, else Debian's in a folder. Either gets private stores, so that nothing
// of the machine is changed.

import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ToolUnavailable } from "../../scripts/outside-tools/apt.ts";
import { ensureTool, installedTool } from "../../scripts/outside-tools/install.ts";
import {
  canPrivatiseNix,
  type Nix,
  type OpenNixOptions,
  openPrivateNix,
} from "../../scripts/outside-tools/nix.ts";
import { run } from "../../scripts/outside-tools/process.ts";

/** A Nix that builds here. */
export interface FoundNix {
  /** For people: release and origin. */
  readonly label: string;
  /** Opens it on a private store. */
  open(options: Pick<OpenNixOptions, "root" | "settings">): Promise<Nix>;
}

/** Why there is none. */
export interface NoNix {
  readonly reason: string;
}

const TRIAL = `derivation {
  name = "trial"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo >$out" ];
}`;
const TRIAL_MS = 30_000;
/** Debian stable's. */
const DEBIAN = "nix-2.26";

/**
 * Finds a Nix that really builds.
 * @param onFetch called before Debian packages are downloaded, which takes a while
 * @throws when the signal is aborted
 */
export async function findNix(signal: AbortSignal, onFetch: () => void): Promise<FoundNix | NoNix> {
  if (!(await canPrivatiseNix())) {
    return { reason: "private Nix stores need Linux, and root or unprivileged user namespaces" };
  }
  const machine = await machineNix(signal);
  if (machine !== undefined) return machine;
  try {
    if ((await installedTool(DEBIAN)) === undefined) onFetch();
    const { bin } = await ensureTool(DEBIAN);
    const found = await tried(bin, "of Debian, unpacked in .cache/outside-tools", false, signal);
    return found ?? { reason: "Debian's Nix cannot build here" };
  } catch (error) {
    if (!(error instanceof ToolUnavailable)) throw error;
    return { reason: `no Nix is installed, and Debian's cannot be had: ${error.message}` };
  }
}

async function machineNix(signal: AbortSignal): Promise<FoundNix | undefined> {
  const found = await run("sh", ["-c", "command -v nix-store"]);
  if (found.status !== 0) return undefined;
  const bin = dirname(found.stdout.trim());
  // Where Nix itself, or a shell, is in the machine's store, private stores have to show that, too.
  const programs = await Promise.all([found.stdout.trim(), "/bin/sh"].map((path) => realpath(path)));
  const machineStore = programs.some((path) => path.startsWith("/nix/"));
  return await tried(bin, "of this machine", machineStore, signal);
}

/** The Nix, if it can build. */
async function tried(
  bin: string,
  origin: string,
  machineStore: boolean,
  stop: AbortSignal,
): Promise<FoundNix | undefined> {
  const root = await mkdtemp(join(tmpdir(), "trustix-demo-trial-"));
  try {
    const nix = await openPrivateNix(bin, { root, machineStore });
    const signal = AbortSignal.any([stop, AbortSignal.timeout(TRIAL_MS)]);
    const built = await nix.run("nix-build", ["--no-out-link", "-E", TRIAL], { signal });
    // Ctrl-C reaches Nix, too: that it did not build then says nothing.
    stop.throwIfAborted();
    if (built.status !== 0) return undefined;
    const { stdout } = await nix.run("nix-store", ["--version"]);
    await nix.run("chmod", ["-R", "u+w", nix.physical]);
    return {
      label: `Nix ${stdout.trim().split(" ").at(-1)} ${origin}`,
      open: (options) => openPrivateNix(bin, { ...options, machineStore }),
    };
  } finally {
    await rm(root, { recursive: true, force: true, maxRetries: 3 });
  }
}
