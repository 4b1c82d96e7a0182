import { createPrivateKey, deriveVerifierKey, formatVerifierKey, KEY_TYPE_ED25519 } from "@trustix/tlog";
import { describe, expect, test } from "vitest";
import { ConfigError, parseConfig } from "./load.ts";

const FILE = "/etc/trustix/trustix.toml";
const VKEY = formatVerifierKey(
  await deriveVerifierKey(await createPrivateKey("alice.test/nix", KEY_TYPE_ED25519)),
);
const KEY = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
/** Lines 1 to 4. */
const HEAD = '[node]\nstate-dir = "s"\n[[operator]]\nname = "alice"\n';

function subscription(...lines: readonly string[]): string {
  return `[[subscription]]\nname = "a"\noperator = "alice"\nurl = "https://a.test/"\n${lines.join("\n")}\n`;
}

function problemsOf(text: string): readonly string[] {
  try {
    parseConfig(HEAD + text, FILE);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);
  }
  return [];
}

test("subscriptions and upstreams get their defaults, and absolute paths", () => {
  const text = `${HEAD}${subscription(`vkey = "${VKEY}"`, 'witness-policy = "w"')}
[[upstream]]
name = "files"
url = "file:///var/cache/nix"
[substitute]
enabled = true
key-file = "keys/s.key"
netrc-file = "netrc"
`;
  expect(parseConfig(text, FILE)).toMatchObject({
    subscription: [{ vkey: VKEY, witnessPolicy: "/etc/trustix/w" }],
    subscribe: { pollInterval: 30_000, maxLogSize: 4 * 2 ** 30, askBudget: 2000 },
    upstream: [{ priority: 50, publicKeys: [], narOrigins: [] }],
    substitute: {
      keyFile: "/etc/trustix/keys/s.key",
      netrcFile: "/etc/trustix/netrc",
      priority: 20,
      selfProving: true,
      budget: 5000,
      verifyBeforeSend: 1 << 20,
    },
  });
});

describe("every mistake is named with its line, its key and the fix", () => {
  const log = subscription(`vkey = "${VKEY}"`);
  test.each([
    [
      "neither log nor cache",
      subscription(),
      ["5 subscription[0].vkey: is missing: add the vkey of a log, or the public-keys of a signed cache"],
    ],
    [
      "both log and cache",
      subscription(`vkey = "${VKEY}"`, `public-keys = ["${KEY}"]`),
      [
        "10 subscription[0].public-keys: is for signed caches, and vkey is for logs: make two subscriptions of the same operator",
      ],
    ],
    [
      "a cache with options of logs",
      subscription(`public-keys = ["${KEY}"]`, 'protocol = "nix"', 'origin = "x"'),
      [
        "10 subscription[0].protocol: is for logs only: remove it",
        "11 subscription[0].origin: is for logs only: remove it",
      ],
    ],
    [
      "an unknown operator",
      log.replace('"alice"', '"alise"'),
      ['7 subscription[0].operator: is no operator: "alise"; did you mean "alice"?'],
    ],
    [
      "the same twice",
      log + log,
      [
        "11 subscription[1].name: is the name of an earlier subscription, too: rename one",
        "14 subscription[1].vkey: is that of an earlier subscription, too: one log is listened to once",
      ],
    ],
    [
      "an address that is none",
      log.replace("https:", "ftp:"),
      [
        '8 subscription[0].url: is wrong: address "ftp://a.test/" must begin with https://, http://, unix: or file:///, not "ftp://a.test/"',
      ],
    ],
    [
      "a substituter without a key",
      "[substitute]\nenabled = true\n",
      [
        "5 substitute.key-file: is missing: an enabled substituter signs; make a key with `trustix keygen cache`",
      ],
    ],
    [
      "one key for two purposes",
      '[cache]\nkey-file = "k"\n[substitute]\nkey-file = "k"\n',
      [
        "8 substitute.key-file: is that of [cache], too: one key says what this machine has, the other what the policy accepts; make a second key",
      ],
    ],
    [
      "origins that are none",
      '[[upstream]]\nname = "u"\nurl = "http://u/"\nnar-origins = "all"\n',
      [
        '8 upstream[0].nar-origins: must be "public", or a list of origins such as ["https://files.example.org"], not "all"',
      ],
    ],
    [
      "one name for two upstreams",
      '[[upstream]]\nname = "u"\nurl = "http://u/"\n[[upstream]]\nname = "u"\nurl = "http://v/"\n',
      ["9 upstream[1].name: is the name of an earlier upstream, too: rename one"],
    ],
  ])("%s", (_, text, expected) => {
    expect(problemsOf(text)).toEqual(expected);
  });

  test.each([
    ["vkey", 'vkey = "alice"'],
    ["public-keys[0]", 'public-keys = ["cache:AAAA"]'],
  ])("an unusable %s", (key, line) => {
    expect(problemsOf(subscription(line))).toEqual([
      expect.stringContaining(`9 subscription[0].${key}: is wrong: `),
    ]);
  });
});
