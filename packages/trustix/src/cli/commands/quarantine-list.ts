// trustix quarantine list
import type { Command } from "commander";
import { formatProbability } from "../../analyse/render/counts.ts";
import type { QuarantineJson } from "../../http/quarantine-schema.ts";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatTable, type Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command.action(async (options: ConfigOptions) => {
    const config = await loadCommandConfig(options, io);
    const client = new DaemonClient(config.node.adminSocket);
    const answer = await client.json({ method: "GET", path: "/api/v1/quarantine", signal: io.signal });
    if (options.json) io.out(JSON.stringify(answer));
    else show(answer as QuarantineJson, io);
  });
}

function show({ enabled, operators, suspects }: QuarantineJson, io: Io): void {
  const suspicions = new Map(suspects.map((each) => [each.operator, each.suspicion]));
  const percent = (operator: string): string => {
    const suspicion = suspicions.get(operator);
    return suspicion === undefined ? "" : formatProbability(suspicion);
  };
  const rows = operators.map(({ operator, state, by, reason, since, counts }) => [
    operator,
    state === "quarantined" && counts ? "not enabled" : state,
    by,
    since.slice(0, 16).replace("T", " "),
    percent(operator),
    visible(reason),
  ]);
  const others = suspects
    .filter(({ operator }) => !operators.some((each) => each.operator === operator))
    .map(({ operator, paths }) => [
      operator,
      "counts",
      "",
      "",
      percent(operator),
      `suspect, on about ${Math.round(paths)} paths`,
    ]);
  if (rows.length + others.length > 0) {
    const header = ["OPERATOR", "STATE", "BY", "SINCE", "SUSPICION", "REASON"];
    io.out(formatTable(io, header, [...rows, ...others]));
  } else io.err("Nobody is in quarantine, and nobody is suspected.");
  if (!enabled) {
    io.err(
      "Suspects go on counting: `[policy.quarantine] enabled` is false. Only who was added by hand does not.",
    );
  }
}
