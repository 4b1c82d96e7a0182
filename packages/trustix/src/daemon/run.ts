// The daemon's life: start, tell systemd, wait for the signal, stop. SIGHUP makes it read its configuration again.
import { setFlagsFromString } from "node:v8";
import type { Config } from "../config/load.ts";
import { createLogger } from "./logger.ts";
import { openDaemon } from "./open-daemon.ts";
import { inheritedSockets, SystemdNotifier } from "./systemd.ts";

/** The process that the daemon runs in. */
export interface DaemonProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends the daemon, gracefully. */
  readonly signal: AbortSignal;
  /** Whether a person reads standard error. */
  readonly isTty: boolean;
}

/**
 * Keeps the space for short-lived objects small. V8 lets it grow to three times 16 MiB and more under load, which makes a
 * log no faster here and takes 110 MiB. Flags are of the process and count from now on, so this comes first.
 */
function limitYoungGeneration(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--max-semi-space-size=4");
}

/**
 * Runs until the signal. Logs go to standard error.
 * @throws TrustixError when it cannot start
 */
export async function runDaemon(config: Config, { env, signal, isTty }: DaemonProcess): Promise<void> {
  limitYoungGeneration();
  const { logLevel, logFormat } = config.node;
  const logger = createLogger({
    level: logLevel,
    format: logFormat === "auto" ? (isTty ? "text" : "json") : logFormat,
    colour: isTty,
    write: (line) => void process.stderr.write(line),
  });
  using systemd = new SystemdNotifier(env, (err) => logger.warn({ err }, "systemd cannot be notified"));
  const daemon = await openDaemon(config, { logger, env, inherited: inheritedSockets(env, process.pid) });
  const onHangup = (): void => {
    daemon.reload().catch((err: unknown) => logger.error({ err }, "the configuration stays as it was"));
  };
  process.on("SIGHUP", onHangup);
  try {
    await systemd.ready();
    logger.info({ pid: process.pid, config: config.file }, "trustix is ready");
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    logger.info({}, "trustix is stopping");
    await systemd.stopping();
  } finally {
    process.off("SIGHUP", onHangup);
    await daemon[Symbol.asyncDispose]();
  }
  logger.info({}, "trustix has stopped");
}
