// Runs diffoscope, when it is installed, on the trees of two outputs: they are downloaded once more, proven, and restored
// into a temporary directory. diffoscope takes files apart with many other programs, so it never runs in the daemon.
import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { lutimes, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseNameOf } from "@trustix/nix";
import { restorePath } from "@trustix/nix/fs";
import type { Config } from "../config/load.ts";
import { NarFetcher, type WantedNar } from "../daemon/nar-fetcher.ts";
import { NarComparison } from "../diff/nar-comparison.ts";
import { TrustixError } from "../errors.ts";
import type { Io } from "./io.ts";
import { Progress } from "./progress.ts";

/** What diffoscope says may be this long. */
const MAX_OUTPUT_BYTES = 8 << 20;
const TIMEOUT_MS = 10 * 60_000;
/** Seconds since 1970 that files in a store have. */
const STORE_TIME = 1;
const SLASH = Buffer.from("/");
/** Its exit statuses: the same, different; anything else is trouble. */
const SAME_OR_DIFFERENT = [0, 1];

/**
 * What diffoscope says of two outputs.
 * @throws TrustixError as `NarFetcher.fetch`; `DIFFOSCOPE_FAILED`; NixError as `restorePath`
 */
export async function runDiffoscope(
  program: string,
  outputs: readonly [WantedNar, WantedNar],
  config: Config,
  io: Io,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "trustix-diff-"));
  try {
    await restoreBoth(outputs, directory, config, io);
    using progress = new Progress(io, "diffoscope");
    progress.update(0, undefined, "running");
    return await run(program, directory, io);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Restores both to `before/<name>` and `after/<name>`: a root that is a link is then inside what is compared. */
async function restoreBoth(
  outputs: readonly [WantedNar, WantedNar],
  directory: string,
  config: Config,
  io: Io,
): Promise<void> {
  await using fetcher = await NarFetcher.open(config, () => performance.now());
  await using comparison = new NarComparison();
  using progress = new Progress(io, "for diffoscope");
  const totalBytes = outputs[0].narSize + outputs[1].narSize;
  let doneBytes = 0;
  for (const [index, side] of (["before", "after"] as const).entries()) {
    const wanted = outputs[index]!;
    let nar = "";
    let attempts = 0;
    await fetcher.fetch(
      wanted,
      (compression, stated) => {
        nar = join(directory, `${side}-${attempts++}.nar`);
        return comparison.receive(compression, stated, nar, (bytes) =>
          progress.update(doneBytes + bytes, totalBytes, "bytes"),
        );
      },
      io.signal,
    );
    doneBytes += wanted.narSize;
    await mkdir(join(directory, side));
    await restorePath(createReadStream(nar), join(directory, side, baseNameOf(wanted.storePath)));
    await rm(nar);
    await setTimes(join(directory, side));
  }
}

/** As Nix does in the store: when the files were restored is no difference. */
async function setTimes(path: string | Buffer): Promise<void> {
  await lutimes(path, STORE_TIME, STORE_TIME);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: "buffer" })) {
    const inner = Buffer.concat([Buffer.from(path), SLASH, entry.name]);
    if (entry.isDirectory()) await setTimes(inner);
    else await lutimes(inner, STORE_TIME, STORE_TIME);
  }
}

function run(program: string, directory: string, io: Io): Promise<string> {
  const args = ["--text", "-", "--text-color", "never"];
  const failed = (why: string): TrustixError =>
    new TrustixError("DIFFOSCOPE_FAILED", `diffoscope ${why}`, {
      hint: "Leave it out with --no-diffoscope.",
    });
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, "before", "after"], {
      cwd: directory,
      // A group of its own: the programs that it runs end with it.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: io.env.PATH, LANG: io.env.LANG ?? "C.UTF-8", HOME: directory, TMPDIR: directory },
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let complaint = "";
    const stop = (error: Error): void => {
      endGroup(child);
      reject(error);
    };
    const timer = setTimeout(
      () => stop(failed(`did not end within ${TIMEOUT_MS / 60_000} minutes`)),
      TIMEOUT_MS,
    );
    const interrupted = (): void => stop(new TrustixError("CLOSED", "interrupted"));
    io.signal.addEventListener("abort", interrupted, { once: true });
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) stop(failed(`says more than ${MAX_OUTPUT_BYTES} bytes`));
      else chunks.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2000);
    });
    child.once("error", (cause) => stop(failed(`cannot be started: ${cause.message}`)));
    child.once("close", (status) => {
      clearTimeout(timer);
      io.signal.removeEventListener("abort", interrupted);
      if (status !== null && SAME_OR_DIFFERENT.includes(status)) resolve(Buffer.concat(chunks).toString());
      else stop(failed(`ended with ${status ?? "a signal"}: ${complaint.trim().split("\n").at(-1) ?? ""}`));
    });
  });
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
