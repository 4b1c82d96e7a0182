// trustix unsubscribe NAME
import type { Command } from "commander";
import { removeSection } from "../../config/edit.ts";
import type { Config } from "../../config/load.ts";
import { nearest } from "../../config/suggest.ts";
import { TrustixError } from "../../errors.ts";
import type { ConfigOptions } from "../context.ts";
import { editConfig } from "../edit-config.ts";
import { type Io, styled } from "../io.ts";

interface UnsubscribeOptions extends ConfigOptions {
  readonly upstream: boolean;
}

/** An element of an array of tables. */
interface Removal {
  readonly name: string;
  readonly index: number;
  readonly label: string;
}

/** The subscription, and what nothing else needs without it. */
function removalsFor(config: Config, name: string, withUpstream: boolean): Removal[] {
  const index = config.subscription.findIndex((each) => each.name === name);
  const subscription = config.subscription[index];
  if (subscription === undefined) {
    const names = config.subscription.map((each) => each.name);
    const guess = nearest(name, names);
    throw new TrustixError("NOT_FOUND", `there is no subscription ${name}`, {
      hint: guess === undefined ? `Subscriptions: ${names.join(", ") || "none"}.` : `Did you mean ${guess}?`,
    });
  }
  const removals = [{ name: "subscription", index, label: `subscription ${name}` }];
  const upstream = config.upstream.findIndex((each) => each.name === name);
  if (withUpstream && upstream >= 0) {
    removals.push({ name: "upstream", index: upstream, label: `upstream ${name}` });
  }
  const { operator } = subscription;
  const { policy } = config;
  const members = [policy, ...policy.group, ...policy.rule].flatMap((each) => each.members ?? []);
  const isNeeded =
    members.includes(operator) ||
    config.subscription.some((each, i) => i !== index && each.operator === operator);
  const position = config.operator.findIndex((each) => each.name === operator);
  if (!isNeeded && position >= 0) {
    removals.push({ name: "operator", index: position, label: `operator ${operator}` });
  }
  return removals;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<name>", "name of the subscription")
    .option("--no-upstream", "keep the upstream cache of the same name")
    .action(async (name: string, options: UnsubscribeOptions) => {
      const { config, text, change } = await editConfig(options, io);
      const removals = removalsFor(config, name, options.upstream);
      let changed = text;
      for (const { name: section, index } of removals) {
        const without = removeSection(changed, section, index);
        if (without === undefined) {
          throw new TrustixError(
            "INVALID_ARGUMENT",
            `${section} ${index} of ${config.file} is written in line`,
            {
              hint: "Take it out by hand.",
            },
          );
        }
        changed = without;
      }
      await (await change(changed)).commit();
      const removed = removals.map(({ label }) => label);
      if (options.json) io.out(JSON.stringify({ config: config.file, removed }));
      else
        io.out(
          `${styled(io, "bold", "Removed")} ${removed.join(", ")} from ${config.file}. Restart the daemon.`,
        );
    });
}
