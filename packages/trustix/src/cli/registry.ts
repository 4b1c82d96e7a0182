// Every command, with the module that implements it. Modules are loaded only for the command that runs, so that light
// commands start as fast as Node itself.
import type { Command } from "commander";
import type { Io } from "./io.ts";

/** What the module of a command exports. */
export interface CommandModule {
  /** Adds arguments, options and the action. `--json` and, where it applies, `--config` are there already. */
  define(command: Command, io: Io): void;
}

/** A row of the table. */
export interface CommandRow {
  /** The words that select it, such as `log verify`. */
  readonly words: readonly string[];
  readonly summary: string;
  /** Whether it reads `trustix.toml`. */
  readonly usesConfig: boolean;
  readonly load: () => Promise<CommandModule>;
}

function row(
  words: string,
  usesConfig: boolean,
  summary: string,
  load: () => Promise<CommandModule>,
): CommandRow {
  return { words: words.split(" "), summary, usesConfig, load };
}

/** What groups of commands are about. */
export const GROUPS: Readonly<Record<string, string>> = {
  keygen: "make keys",
  config: "look after the configuration",
  hook: "look after Nix's post-build hook",
  token: "look after bearer tokens of the admin API",
  log: "read and verify logs",
  policy: "look after the policy",
  quarantine: "say who does not count",
  evidence: "look after evidence of misbehaviour",
};

/** Headings of the help text, each with the first words of what is below it. */
const SECTIONS: readonly (readonly [heading: string, words: readonly string[]])[] = [
  ["Set up and run:", ["init", "keygen", "config", "hook", "daemon", "token"]],
  ["Publish:", ["submit", "backfill", "log"]],
  [
    "Listen and decide:",
    ["subscribe", "unsubscribe", "clear", "explain", "check-closure", "policy", "quarantine"],
  ],
  ["Analyse:", ["diff", "builders", "suspects", "report", "evidence"]],
];

/** The heading that a command, or a group of commands, is below in the help text. */
export function sectionOf(word: string): string {
  return SECTIONS.find(([, words]) => words.includes(word))?.[0] ?? "Look after:";
}

/** All commands, in the order of the help text. */
export const COMMANDS: readonly CommandRow[] = [
  row("init", false, "write a configuration and keys for a new node", () => import("./commands/init.ts")),
  row("keygen log", false, "make the key of a log", () => import("./commands/keygen-log.ts")),
  row(
    "keygen cache",
    false,
    "make the signing key of a binary cache",
    () => import("./commands/keygen-cache.ts"),
  ),
  row("config check", true, "check the configuration", () => import("./commands/config-check.ts")),
  row("hook install", true, "write the post-build hook", () => import("./commands/hook-install.ts")),
  row("daemon", true, "run the node", () => import("./commands/daemon.ts")),
  row("submit", true, "claim store paths, or a key and value", () => import("./commands/submit.ts")),
  row("backfill", true, "claim what the store has already", () => import("./commands/backfill.ts")),
  row("token create", true, "make a token", () => import("./commands/token-create.ts")),
  row("token list", true, "list tokens", () => import("./commands/token-list.ts")),
  row("token revoke", true, "revoke a token", () => import("./commands/token-revoke.ts")),
  row("log verify", false, "verify every tile and entry of a log", () => import("./commands/log-verify.ts")),
  row("log show", false, "show a log's checkpoint and entries", () => import("./commands/log-show.ts")),
  row("log proof", true, "get the proof of a claim", () => import("./commands/log-proof.ts")),
  row(
    "subscribe",
    true,
    "listen to a builder's log, or to a signed cache",
    () => import("./commands/subscribe.ts"),
  ),
  row("unsubscribe", true, "listen to it no more", () => import("./commands/unsubscribe.ts")),
  row("clear", true, "let a log that misbehaved count again", () => import("./commands/clear.ts")),
  row(
    "explain",
    true,
    "show who says what of a store path, and the decision",
    () => import("./commands/explain.ts"),
  ),
  row("diff", true, "show what differs between two builds of a path", () => import("./commands/diff.ts")),
  row(
    "check-closure",
    true,
    "show how much of what is installed others confirm",
    () => import("./commands/check-closure.ts"),
  ),
  row("builders", true, "show how each builder fares", () => import("./commands/builders.ts")),
  row("suspects", true, "show which builders deviate, and why", () => import("./commands/suspects.ts")),
  row("report", true, "show how much is reproducible", () => import("./commands/report.ts")),
  row(
    "policy test",
    true,
    "show what another policy would decide differently",
    () => import("./commands/policy-test.ts"),
  ),
  row(
    "quarantine list",
    true,
    "show which operators do not count, and why",
    () => import("./commands/quarantine-list.ts"),
  ),
  row(
    "quarantine add",
    true,
    "let an operator not count any more",
    () => import("./commands/quarantine-add.ts"),
  ),
  row(
    "quarantine release",
    true,
    "let an operator in quarantine count again",
    () => import("./commands/quarantine-release.ts"),
  ),
  row(
    "evidence list",
    true,
    "show which logs were found to misbehave",
    () => import("./commands/evidence-list.ts"),
  ),
  row(
    "evidence verify",
    false,
    "check evidence or proofs, offline",
    () => import("./commands/evidence-verify.ts"),
  ),
  row("reload", true, "let the daemon read its configuration again", () => import("./commands/reload.ts")),
  row("status", true, "show what the daemon does", () => import("./commands/status.ts")),
  row("version", false, "show versions", () => import("./commands/version.ts")),
];
