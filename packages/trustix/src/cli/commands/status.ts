// trustix status
import type { Command } from "commander";
import type { NodeStatus } from "../../daemon/status.ts";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatFacts, formatTable, type Io } from "../io.ts";

type Subscription = NodeStatus["subscriptions"][number];

/** A time span in its two largest units. */
function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes % 60}m`;
  return minutes > 0 ? `${minutes}m` : `${seconds}s`;
}

/** Rate of decisions that accepted what a subscription states, among those that it had a say in. */
function formatAgreement({ agreed, dissented }: Subscription): string {
  const total = agreed + dissented;
  return total === 0 ? "-" : `${((100 * agreed) / total).toFixed(1)}% of ${total}`;
}

function subscriptionRow(each: Subscription, nowMs: number): string[] {
  const { subscription, operator, kind, health, lastGoodAtMs, lastError } = each;
  const isLog = each.kind === "log";
  const fault = isLog ? each.fault?.reason : undefined;
  const problem = fault ?? lastError?.message ?? "";
  return [
    subscription,
    operator,
    kind,
    isLog ? String(each.size) : "-",
    isLog ? String(each.lag) : "-",
    isLog && each.lastNewAtMs !== undefined ? formatSpan(nowMs - each.lastNewAtMs) : "-",
    lastGoodAtMs === undefined ? "never" : `${formatSpan(nowMs - lastGoodAtMs)} ago`,
    health,
    formatAgreement(each),
    visible(problem).slice(0, 200),
  ];
}

function substituterFacts({ substituter }: NodeStatus): readonly (readonly [string, string])[] {
  if (substituter === undefined) return [];
  const { narInfos, nars, narBytes, refusals } = substituter;
  const reasons = Object.entries(refusals).map(([reason, count]) => `${count} ${reason}`);
  return [
    ["served", `${narInfos} narinfos, ${nars} NARs, ${(narBytes / 2 ** 20).toFixed(1)} MiB`],
    ["refused", reasons.length === 0 ? "nothing" : visible(reasons.join(", "))],
  ];
}

function formatPolicy({ mode, operators, default: quorum }: NodeStatus["policy"]): string {
  if (quorum === undefined || operators.length === 0) {
    return `${mode}; operators: ${operators.length === 0 ? "nobody" : operators.join(", ")}`;
  }
  const { needed, members, alone } = quorum;
  const verb = mode === "report" ? "would be needed" : "needed";
  const ending = alone.length === 0 ? "" : `: ${alone.length === 1 ? alone[0] : "any one"} decides alone`;
  return `${mode}, ${needed} of ${members.length} ${verb} (${members.join(", ")})${mode === "report" ? "" : ending}`;
}

function printStatus(status: NodeStatus, io: Io): void {
  const { policy, substituter, logs, subscriptions } = status;
  io.out(
    formatFacts(io, [
      ["version", status.version],
      ["process", String(status.pid)],
      ["uptime", formatSpan(status.uptimeMs)],
      ["listens on", status.listen.join(", ")],
      ["policy", formatPolicy(policy)],
      ...(policy.quarantined.length === 0
        ? []
        : [["quarantine", `${policy.quarantined.join(", ")}: see trustix quarantine list`] as const]),
      ...substituterFacts(status),
    ]),
  );
  if (logs.length > 0) {
    const rows = logs.map((log) => [
      log.name,
      log.protocol,
      String(log.publishedSize),
      String(log.pending),
      log.origin,
    ]);
    io.out("");
    io.out(formatTable(io, ["LOG", "PROTOCOL", "PUBLISHED", "WAITING", "ORIGIN"], rows));
  }
  if (subscriptions.length > 0) {
    const header = [
      "SUBSCRIPTION",
      "OPERATOR",
      "KIND",
      "SIZE",
      "LAG",
      "NEWEST",
      "SEEN",
      "HEALTH",
      "AGREES",
      "PROBLEM",
    ];
    const nowMs = io.now().getTime();
    const rows = subscriptions.map((each) => subscriptionRow(each, nowMs));
    io.out("");
    io.out(formatTable(io, header, rows));
  }
  if (substituter !== undefined && substituter.upstreams.length > 0) {
    const rows = substituter.upstreams.map(({ name, state, narInfoMs, wrongNars, lastError }) => [
      name,
      state,
      narInfoMs === undefined ? "-" : `${Math.round(narInfoMs)} ms`,
      String(wrongNars),
      visible(lastError ?? "").slice(0, 200),
    ]);
    io.out("");
    io.out(formatTable(io, ["UPSTREAM", "STATE", "ANSWERS IN", "WRONG NARS", "LAST PROBLEM"], rows));
  }
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command.action(async (options: ConfigOptions) => {
    const config = await loadCommandConfig(options, io);
    const client = new DaemonClient(config.node.adminSocket);
    const answer = await client.json({ method: "GET", path: "/api/v1/status", signal: io.signal });
    if (options.json) io.out(JSON.stringify(answer));
    else printStatus(answer as NodeStatus, io);
  });
}
