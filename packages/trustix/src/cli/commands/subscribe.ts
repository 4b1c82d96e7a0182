// trustix subscribe URL
import { parseVerifierKey } from "@trustix/tlog";
import type { Command } from "commander";
import { addSections, formatSection, type NewSection } from "../../config/edit.ts";
import type { Config } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import type { DescribedLog, NodeDescription } from "../../http/node-description.ts";
import { loneOperatorWarning } from "../../policy/lone-operator.ts";
import { visible } from "../../terminal.ts";
import type { ConfigOptions } from "../context.ts";
import { editConfig } from "../edit-config.ts";
import { formatFacts, type Io, styled } from "../io.ts";
import { fetchCacheInfo, fetchDescription, fetchLogSize, normalizeAddress } from "../remote-node.ts";

interface SubscribeOptions extends ConfigOptions {
  readonly vkey?: string;
  readonly publicKey?: readonly string[];
  readonly name?: string;
  readonly operator?: string;
  readonly log?: string;
  readonly upstream: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** What is going to be subscribed to. */
interface Candidate {
  /** What the other side calls itself; a suggestion only. */
  readonly suggestedName: string;
  readonly subscription: { readonly url: string } & (
    | { readonly vkey: string; readonly origin: string; readonly protocol: "nix" | "raw" }
    | { readonly publicKeys: readonly string[] }
  );
  /** A cache to download from. */
  readonly upstream: { readonly url: string; readonly publicKeys: readonly string[] } | undefined;
  /** Facts for the person who decides. */
  readonly facts: readonly (readonly [string, string])[];
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** The first label of a host name as a name of ours. */
function nameFromAddress(address: string): string {
  const host = URL.parse(address)?.hostname ?? "";
  const label = /^[\d.:[\]]*$/.test(host) ? "" : host.replace(/^(?:www|nix|trustix|cache|builder)\./, "");
  const name = label
    .split(".")[0]
    ?.toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "");
  return name === undefined || !/^[a-z0-9]/.test(name) ? "" : name.slice(0, 63);
}

function chooseLog({ logs }: NodeDescription, name: string | undefined, address: string): DescribedLog {
  const named =
    name === undefined
      ? logs.filter(({ protocol }) => protocol === "nix")
      : logs.filter((log) => log.name === name);
  const [first] = named;
  const candidates = name === undefined && named.length === 0 ? logs : named;
  if (candidates.length === 1) return (first ?? candidates[0]) as DescribedLog;
  const all = logs.map((log) => `${log.name} (${log.protocol})`).join(", ") || "none";
  throw new TrustixError("NOT_FOUND", `${address} has no one log to choose`, {
    hint: `Its logs: ${all}. Name one with --log.`,
  });
}

function checkVkey(given: string | undefined, found: string, address: string): void {
  if (given === undefined || given === found) return;
  throw new TrustixError(
    "VERIFY_FAILED",
    `${address} says that its vkey is ${visible(found)}, and not ${given}`,
    {
      hint: "Ask the operator which is right, by another way than this address. Nothing was changed.",
    },
  );
}

/** Asks the address what it is, and checks that it is. */
async function examine(address: string, options: SubscribeOptions, io: Io): Promise<Candidate> {
  const suggestedName = nameFromAddress(address);
  const { signal } = io;
  if (options.publicKey !== undefined) {
    const info = await fetchCacheInfo(address, signal);
    return {
      suggestedName,
      subscription: { url: address, publicKeys: options.publicKey },
      upstream: { url: address, publicKeys: options.publicKey },
      facts: [
        ["signed cache", address],
        ["store", visible(info.storeDir ?? "/nix/store")],
        ...options.publicKey.map((key) => ["public key", key] as const),
        ["what it proves", "that the key's owner signed it; not that he built it"],
      ],
    };
  }
  const description = await fetchDescription(address, signal);
  const log =
    description === undefined
      ? describeByVkey(address, options.vkey)
      : chooseLog(description, options.log, address);
  checkVkey(options.vkey, log.vkey, address);
  const size = await fetchLogSize(log, signal);
  const cache = description?.cache;
  return {
    suggestedName: description?.operator ?? suggestedName,
    subscription: { url: log.url, vkey: log.vkey, origin: log.origin, protocol: log.protocol },
    upstream: cache && { url: cache.url, publicKeys: [cache.publicKey] },
    facts: [
      ["origin", visible(log.origin)],
      ["log", log.url],
      ["protocol", log.protocol],
      ["entries", String(size)],
      ["vkey", visible(log.vkey)],
      ...(description?.operator === undefined ? [] : [["calls its operator", description.operator] as const]),
      ...(cache === undefined ? [] : [["cache", cache.url] as const]),
    ],
  };
}

/** A log on a plain web server, which describes nothing: its vkey says what it is. */
function describeByVkey(address: string, vkey: string | undefined): DescribedLog {
  if (vkey === undefined) {
    throw new TrustixError("NOT_FOUND", `${address} does not describe itself: there is no trustix.json`, {
      hint: "For a log, add its --vkey. For a signed binary cache, add its --public-key.",
    });
  }
  let origin: string;
  try {
    origin = parseVerifierKey(vkey).name;
  } catch (cause) {
    throw new TrustixError("USAGE", `--vkey: ${(cause as Error).message}`, { cause });
  }
  return { name: "log", protocol: "nix", origin, vkey, url: address };
}

/** The sections to add. */
function sectionsFor(
  candidate: Candidate,
  name: string,
  operator: string,
  config: Config,
  wantsUpstream: boolean,
): NewSection[] {
  const { subscription, upstream } = candidate;
  const sections: NewSection[] = [];
  if (!config.operator.some((each) => each.name === operator)) {
    sections.push({ name: "operator", options: { name: operator } });
  }
  const isLog = "vkey" in subscription;
  sections.push({
    name: "subscription",
    options: {
      name,
      operator,
      url: subscription.url,
      ...(isLog
        ? {
            vkey: subscription.vkey,
            origin:
              subscription.origin === parseVerifierKey(subscription.vkey).name
                ? undefined
                : subscription.origin,
            protocol: subscription.protocol === "nix" ? undefined : subscription.protocol,
          }
        : { "public-keys": subscription.publicKeys }),
    },
  });
  const has = (url: string): boolean => config.upstream.some((each) => each.url === url);
  if (wantsUpstream && upstream !== undefined && !has(upstream.url)) {
    const { url, publicKeys } = upstream;
    sections.push({ name: "upstream", options: { name, url, "public-keys": publicKeys } });
  }
  return sections;
}

async function confirm(options: SubscribeOptions, io: Io): Promise<void> {
  // Whoever gave the key knows it.
  if (options.yes || options.vkey !== undefined || options.publicKey !== undefined) return;
  if (!io.inIsTty) {
    throw new TrustixError("USAGE", "nobody is here to compare the vkey; nothing was changed", {
      hint: "Compare it with what the operator says elsewhere, then repeat with --vkey VKEY; --yes believes the address.",
    });
  }
  const answer = await io.ask("Is this the vkey that the operator tells you by another way? [y/N] ");
  if (/^y(?:es)?$/i.test(answer?.trim() ?? "")) return;
  throw new TrustixError("USAGE", "not confirmed; nothing was changed");
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument(
      "<url>",
      "a node's root URL, a log's prefix (with --vkey) or a signed cache (with --public-key)",
    )
    .option("--vkey <vkey>", "the log's verifier key, as its operator told you; it must be this one")
    .option("--public-key <key>", "subscribe to a signed cache with this key; may be repeated", collect)
    .option("--name <name>", "name of the subscription (default: what the node calls its operator)")
    .option("--operator <name>", "whose word it is (default: the name of the subscription)")
    .option("--log <name>", "which log of the node, when it has several")
    .option("--no-upstream", "do not download NARs from its cache")
    .option("--yes", "do not ask: believe the address")
    .option("--dry-run", "print what would be added to the configuration, and change nothing")
    .action(async (url: string, options: SubscribeOptions) => {
      const address = normalizeAddress(url);
      const { config, text, change } = await editConfig(options, io);
      const candidate = await examine(address, options, io);
      const { subscription } = candidate;
      const known = config.subscription.find((each) =>
        "vkey" in subscription ? each.vkey === subscription.vkey : each.url === subscription.url,
      );
      if (known !== undefined) {
        throw new TrustixError("INVALID_ARGUMENT", `${known.name} is a subscription to this already`, {
          hint: `To change it, edit ${config.file}, or \`trustix unsubscribe ${known.name}\` first.`,
        });
      }
      const name = options.name ?? candidate.suggestedName;
      if (name === "") {
        throw new TrustixError("USAGE", `${address} says no name that the subscription could have`, {
          hint: "Add --name NAME: what you call this builder, such as alice.",
        });
      }
      if (config.subscription.some((each) => each.name === name)) {
        throw new TrustixError("INVALID_ARGUMENT", `another subscription is named ${name}`, {
          hint: "Choose another with --name NAME; add --operator NAME when it is of the same operator.",
        });
      }
      const operator = options.operator ?? name;
      // Anybody can call himself Alice: only the user makes a stranger's log one more voice of hers.
      if (options.operator === undefined && config.subscription.some((each) => each.operator === operator)) {
        throw new TrustixError("INVALID_ARGUMENT", `${operator} is the operator of another subscription`, {
          hint: `If this is really of the same operator, add --operator ${operator}; else choose another with --name NAME.`,
        });
      }
      const sections = sectionsFor(candidate, name, operator, config, options.upstream);
      const after = await change(addSections(text, sections));
      if (options.dryRun) {
        io.out(sections.map(formatSection).join("\n").trimEnd());
        return;
      }
      const facts = [...candidate.facts, ["becomes", `${name}, a vote of ${operator}`] as const];
      if (!options.json) io.out(formatFacts(io, facts));
      await confirm(options, io);
      await after.commit();
      const { members } = config.policy;
      const isCounted = members === undefined || members.includes(operator);
      if (options.json) {
        io.out(JSON.stringify({ config: config.file, name, operator, subscription, isCounted }));
        return;
      }
      io.out("");
      io.out(`${styled(io, "bold", "Added")} to ${config.file}. Restart the daemon to listen to ${name}.`);
      if (!isCounted) {
        io.err(`${operator} has no vote yet: the policy lists its members. Add "${operator}" to them.`);
      }
      const lone = loneOperatorWarning(after.config);
      if (lone !== undefined) io.err(`warning: ${lone}`);
    });
}
