// The text of a new configuration, and what goes into nix.conf with it.

import { formatAddress, parseAddress } from "../config/units.ts";

/** What a new node is to be. */
export interface NewConfigOptions {
  /** What origins of logs begin with; also names keys. */
  readonly origin: string;
  readonly stateDir: string;
  /** Address of the public listener. */
  readonly listen: string;
  /** A log of what this machine builds. */
  readonly builder: boolean;
  /** A second log, for any key and value. */
  readonly raw: boolean;
  /** This machine's store as a binary cache. */
  readonly cache: boolean;
  /** A binary cache of what enough operators agree on. */
  readonly substitute: boolean;
}

const quote = (text: string): string => JSON.stringify(text);

const head = ({
  stateDir,
  listen,
  builder,
}: NewConfigOptions): string => `# Configuration of a Trustix node. docs/reference/configuration.md describes every option.
# Check changes with: trustix config check

[node]
# Everything that must not be lost. Relative paths start at this file's directory.
state-dir = ${quote(stateDir)}
# Public listener: logs and binary cache. Put a TLS proxy in front, or open it up: "0.0.0.0:8484".
listen = [${quote(listen)}]
${builder ? OPERATOR : ""}`;

const OPERATOR = `# What you are called by who subscribes, unless he chooses another name.
# operator = "alice"
`;

const rawLog = ({ origin }: NewConfigOptions): string => `
[[log]]
name = "raw"
protocol = "raw"
origin = ${quote(`${origin}/raw`)}
key-file = "keys/raw.key"
`;

const builder = (options: NewConfigOptions): string => `
# The log of what this machine builds, served at /log/nix/.
[[log]]
name = "nix"
protocol = "nix"
# The log's name for ever, also when its address changes.
origin = ${quote(`${options.origin}/nix`)}
key-file = "keys/nix.key"
# Where others read it. Once set, the daemon refuses to run from an outdated backup.
# public-url = ${quote(`https://${options.origin}/log/nix/`)}
# Time to collect claims before the next checkpoint is signed.
batch = "250ms"
${options.raw ? rawLog(options) : ""}
[publish]
enabled = true
# How often to look for builds that never came through the post-build hook.
reconcile-interval = "1h"

# This machine's store as a binary cache, at /cache/${options.substitute ? "" : " and at the root of the public listener"}.
[cache]
enabled = ${options.cache}
${options.cache ? "" : "# "}key-file = "keys/cache.key"
`;

const USER = `
# Which agreement makes a binary acceptable. Operators are added by \`trustix subscribe URL\`, at the end of this file.
[policy]
# "enforce" accepts what enough operators agree on; "report" accepts what any of them states, and records what enforcing
# would have refused: a way to start.
mode = "enforce"
# More than half of the operators. Or a number, or a percentage such as "66%".
threshold = "majority"

# What the policy accepts, as a Nix binary cache at the root of the public listener.
[substitute]
enabled = true
key-file = "keys/substitute.key"
`;

/** The node's own store as a source: it is served under another path, whatever the policy says. */
const localUpstream = (listen: string): string => `
# Binaries that this machine has itself, when the policy accepts them.
[[upstream]]
name = "local"
url = ${quote(`${localUrl(listen)}/cache/`)}
`;

const METRICS = `
[metrics]
enabled = true
`;

/** The text of a new configuration. */
export function renderConfig(options: NewConfigOptions): string {
  return [
    head(options),
    options.builder ? builder(options) : "",
    options.substitute ? USER : "",
    options.substitute && options.cache ? localUpstream(options.listen) : "",
    METRICS,
  ].join("");
}

/** An address to reach a listener from this machine: of a socket without a port of its own, something to fill in. */
export function localUrl(listen: string): string {
  const address = parseAddress(listen);
  if (address?.kind !== "tcp" || address.port === 0) return "http://HOST:PORT";
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
  return `http://${formatAddress({ ...address, host })}`;
}

/**
 * Lines for the nix.conf of a machine that is to install only what this node's policy accepts. They take the place of what
 * was there: one more substituter or key would be a way around the policy. Every Nix since 2.0 knows all of them.
 */
export function substituterNixConf(listen: string, publicKey: string): readonly string[] {
  return [
    `substituters = ${localUrl(listen)}`,
    `trusted-public-keys = ${publicKey}`,
    "fallback = true",
    "narinfo-cache-negative-ttl = 60",
  ];
}

/** Lines for the nix.conf of a machine that uses this node's store as one more cache. Nix 2.4 or newer. */
export function cacheNixConf(url: string, publicKey: string): readonly string[] {
  return [`extra-substituters = ${url}`, `extra-trusted-public-keys = ${publicKey}`];
}
