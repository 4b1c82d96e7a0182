import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigError, loadConfig, parseConfig } from "./load.ts";
import { locateKey } from "./locate.ts";
import { ROOT, referencePages } from "./reference-pages.ts";

const FILE = "/etc/trustix/trustix.toml";

const LOG = `[[log]]
name = "nix"
protocol = "nix"
origin = "builder.example.org/nix"
key-file = "keys/nix.key"
`;

function problemsOf(text: string): readonly string[] {
  try {
    parseConfig(text, FILE);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return (error as ConfigError).problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);
  }
  return [];
}

test("a small file gets every default, absolute paths, milliseconds and bytes", () => {
  const config = parseConfig(`[node]\nstate-dir = "state"\n${LOG}`, FILE);
  expect(config).toMatchObject({
    file: FILE,
    node: {
      stateDir: "/etc/trustix/state",
      adminSocket: "/etc/trustix/state/admin.sock",
      listen: [{ kind: "tcp", host: "127.0.0.1", port: 8484 }],
      shutdownGrace: 10_000,
    },
    log: [{ name: "nix", keyFile: "/etc/trustix/keys/nix.key", batch: 250 }],
    publish: { enabled: true, spoolDir: "/etc/trustix/state/spool", reconcileInterval: 3_600_000 },
    cache: { enabled: false, verifyBeforeSend: 16 << 20 },
    api: { tokensFile: "/etc/trustix/state/tokens.json" },
  });
});

describe("every mistake is named with its line, its key and the fix", () => {
  test.each([
    ["no section", "", ["1 node: is missing: add it to the file"]],
    [
      "TOML",
      '[node]\nstate-dir = "a\n',
      ["2 : is not TOML (column 15): control characters are not allowed in strings"],
    ],
    [
      "misspelled option",
      '[node]\nstate-dir = "s"\nlistn = ["a:1"]\n',
      ["3 node.listn: is not an option; did you mean `listen`?"],
    ],
    [
      "misspelled section",
      '[node]\nstate-dir = "s"\n\n[metric]\nenabled = true\n',
      ["4 metric: is not an option; did you mean `metrics`?"],
    ],
    [
      "option that is like none",
      '[node]\nstate-dir = "s"\n[metrics]\nzzz = 1\n',
      ["4 metrics.zzz: is not an option; known here: enabled, public"],
    ],
    ["type", "[node]\nstate-dir = 5\n", ["2 node.state-dir: must be of type string, not 5"]],
    [
      "duration",
      `[node]\nstate-dir = "s"\n${LOG}batch = "5"\n`,
      ['8 log[0].batch: must be a duration from 1ms to 1m, such as "250ms", "10s" or "1h", not "5"'],
    ],
    [
      "size",
      '[node]\nstate-dir = "s"\n[api]\nmax-body = "1B"\n',
      ['4 api.max-body: must be a size from 1KiB to 64MiB, such as "64KiB" or "16MiB", not "1B"'],
    ],
    [
      "address in a list over several lines",
      '[node]\nstate-dir = "s"\nlisten = [\n  "127.0.0.1:80", # fine\n  "nowhere",\n]\n',
      [
        '3 node.listen[1]: must be an address: "host:port", "[ipv6]:port", "unix:/path" or "systemd", not "nowhere"',
      ],
    ],
    [
      "choice",
      '[node]\nstate-dir = "s"\nlog-level = "loud"\n',
      ['3 node.log-level: must be "debug" or "info" or "warn" or "error", not "loud"'],
    ],
    [
      "range",
      '[node]\nstate-dir = "s"\n[cache]\npriority = -1\n',
      ["4 cache.priority: must be at least 0, not -1"],
    ],
    [
      "second log of the same name, key and origin",
      `[node]\nstate-dir = "s"\n${LOG}\n${LOG}`,
      [
        "10 log[1].name: is the same as in log[0]: each log needs its own",
        "12 log[1].origin: is the same as in log[0]: each log needs its own",
        "13 log[1].key-file: is the same as in log[0]: each log needs its own",
      ],
    ],
    [
      "publishing to a log that is not there",
      `[node]\nstate-dir = "s"\n${LOG}\n[publish]\nlog = "nyx"\n`,
      ['10 publish.log: names no log: "nyx"'],
    ],
    [
      "cache without a key",
      '[node]\nstate-dir = "s"\n[cache]\nenabled = true\n',
      ["3 cache.key-file: is missing: an enabled cache signs; make a key with `trustix keygen cache`"],
    ],
    [
      "too long a path for a socket",
      `[node]\nstate-dir = "/${"x".repeat(110)}"\n`,
      [
        `1 node.admin-socket: is longer than the 107 bytes of a unix socket's path: /${"x".repeat(110)}/admin.sock`,
      ],
    ],
  ])("%s", (_, text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });
});

test("a file that is not there is an error of its own", async () => {
  await expect(loadConfig("/nonexistent/trustix.toml")).rejects.toMatchObject({ code: "CONFIG_MISSING" });
});

test("keys are found behind multi-line strings, dotted keys and comments", () => {
  const text = `# node.x = 1
title = """
[node]
x = 2
"""
a.b.c = 1
[node]
"x" = 3
[[log]]
x = 4
[[log]] # second
list = [ # comment ]
  "x = 5",
]
x = 6
`;
  expect(locateKey(text, ["node", "x"])).toBe(8);
  expect(locateKey(text, ["log", 1, "x"])).toBe(15);
  expect(locateKey(text, ["log", 1, "list", 0])).toBe(12);
  expect(locateKey(text, ["log", 1, "missing"])).toBe(11);
  expect(locateKey(text, ["a", "b", "c"])).toBe(6);
  expect(locateKey(text, ["absent"])).toBe(1);
});

test("the committed reference pages are what the sources say", async () => {
  for (const [path, text] of await referencePages()) {
    const committed = await readFile(join(ROOT, path), "utf8");
    expect(committed, `run: npm run reference -w trustix (${path})`).toBe(text);
  }
});
