// trustix daemon
import type { Command } from "commander";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import type { Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command.action(async (options: ConfigOptions) => {
    const config = await loadCommandConfig(options, io);
    const { runDaemon } = await import("../../daemon/run.ts");
    const node = options.json ? { ...config.node, logFormat: "json" as const } : config.node;
    await runDaemon({ ...config, node }, { env: io.env, signal: io.signal, isTty: io.errIsTty });
  });
}
