// trustix config check
import type { Command } from "commander";
import { formatAddress } from "../../config/units.ts";
import { TrustixError } from "../../errors.ts";
import { loneOperatorWarning } from "../../policy/lone-operator.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatFacts, type Io } from "../io.ts";

interface CheckOptions extends ConfigOptions {
  readonly vkey?: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .option("--vkey <log>", "print the vkey of this log and nothing else")
    .action(async (options: CheckOptions) => {
      const config = await loadCommandConfig(options, io);
      const { loadCacheKey, loadLogKey } = await import("../../daemon/key-files.ts");
      const logs = [];
      for (const log of config.log) {
        const { vkey } = await loadLogKey(log.keyFile, log.origin);
        logs.push({ name: log.name, protocol: log.protocol, origin: log.origin, vkey });
      }
      if (config.cache.enabled && config.cache.keyFile !== undefined)
        await loadCacheKey(config.cache.keyFile);
      if (options.vkey !== undefined) {
        const log = logs.find(({ name }) => name === options.vkey);
        if (log === undefined) throw new TrustixError("USAGE", `no log is named ${options.vkey}`);
        io.out(log.vkey);
        return;
      }
      if (options.json) {
        io.out(JSON.stringify({ config: config.file, logs }));
        return;
      }
      io.out(
        formatFacts(io, [
          ["configuration", `${config.file} is fine`],
          ["state", config.node.stateDir],
          ["listens on", config.node.listen.map(formatAddress).join(", ")],
          ...logs.map((log) => [`log ${log.name}`, log.vkey] as const),
          ["binary cache", config.cache.enabled ? "on" : "off"],
        ]),
      );
      const lone = loneOperatorWarning(config);
      if (lone !== undefined) io.err(`warning: ${lone}`);
    });
}
