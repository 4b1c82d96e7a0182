// trustix status
import type { Command } from "commander";
import type { NodeStatus } from "../../daemon/status.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatFacts, formatTable, type Io } from "../io.ts";

function formatUptime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  return days > 0 ? `${days}d ${hours}h` : hours > 0 ? `${hours}h ${minutes % 60}m` : `${minutes}m`;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command.action(async (options: ConfigOptions) => {
    const config = await loadCommandConfig(options, io);
    const client = new DaemonClient(config.node.adminSocket);
    const answer = await client.json({ method: "GET", path: "/api/v1/status", signal: io.signal });
    if (options.json) {
      io.out(JSON.stringify(answer));
      return;
    }
    const status = answer as NodeStatus;
    io.out(
      formatFacts(io, [
        ["version", status.version],
        ["process", String(status.pid)],
        ["uptime", formatUptime(status.uptimeMs)],
        ["listens on", status.listen.join(", ")],
      ]),
    );
    const rows = status.logs.map((log) => [
      log.name,
      log.protocol,
      String(log.publishedSize),
      String(log.pending),
      log.origin,
    ]);
    io.out("");
    io.out(formatTable(io, ["LOG", "PROTOCOL", "PUBLISHED", "WAITING", "ORIGIN"], rows));
  });
}
