/**
 * Trust policies: which logs, and which sets of witnesses, make a checkpoint acceptable (https://c2sp.org/tlog-policy,
 * draft of June 2026).
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> all|any|<k> <member>...
 *     quorum <name>|none
 *
 * Every name is defined before it is used, and is a member of one group at most; so a witness counts in one way only,
 * and evaluation is one pass over the groups.
 */
import { encodeHex, parseDecimal } from "./encoding.ts";
import { recode, TlogError } from "./errors.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE_V1,
  KEY_TYPE_ED25519,
  type KeyType,
  parseVerifierKey,
  requireType,
  type VerifierKey,
} from "./keys.ts";

/** Longest policy that is read: 1 MiB, some thousand witnesses. */
export const MAX_POLICY_BYTES = 1 << 20;

const NO_QUORUM = "none";
const WHITE_SPACE = /[ \t]+/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is the check for them
const FORBIDDEN = /[\x00-\x08\x0b-\x1f\x7f]/;

/** A log that is accepted. The name of its key is its origin. */
export interface PolicyLog {
  /** Of type 0x01. */
  readonly key: VerifierKey;
  /** Where to reach the log; the meaning is the application's. */
  readonly url?: string;
}

/** A witness whose cosignature may count. */
export interface PolicyWitness {
  /** The name that groups and the quorum use; it has no meaning outside of the policy. */
  readonly name: string;
  /** Of type 0x04. */
  readonly key: VerifierKey;
  /** Submission prefix of the witness, as a rule. */
  readonly url?: string;
}

/** Witnesses and earlier groups of which some must have cosigned. */
export interface PolicyGroup {
  readonly name: string;
  /** How many members must have cosigned: 1 (`any`) to all of them (`all`). */
  readonly threshold: number;
  readonly members: readonly string[];
}

/** A parsed policy. */
export interface Policy {
  /** May be empty where the log is known from elsewhere: put it here before use, `{ ...policy, logs: [{ key }] }`. */
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  /** In an order in which members come before the groups that name them. */
  readonly groups: readonly PolicyGroup[];
  /** The witness or group that must have cosigned; `undefined` for `none`. */
  readonly quorum: string | undefined;
}

/**
 * Parses a policy file. Names, keys and URLs must be UTF-8; comments may be anything the draft allows. Every line ends
 * in a newline, the last one too: a file cut short could otherwise read as a weaker policy.
 * @throws TlogError POLICY_MALFORMED with the number of the line
 */
export function parsePolicy(input: Uint8Array | string): Policy {
  const builder = new PolicyBuilder();
  for (const [index, line] of readLines(input).entries()) {
    const words = line.split(WHITE_SPACE).filter((word) => word !== "");
    if (words.length === 0 || words[0]!.startsWith("#")) continue;
    recode("POLICY_MALFORMED", `policy, line ${index + 1}`, () => builder.add(words));
  }
  return builder.build();
}

/**
 * Writes a policy file: the inverse of `parsePolicy`, up to comments, white space and the order of its lines.
 * @throws TlogError POLICY_MALFORMED if the policy breaks a rule of the format
 */
export function formatPolicy(policy: Policy): string {
  const lines = [
    ...policy.logs.map(({ key, url }) => ["log", formatKey(key), url]),
    ...policy.witnesses.map(({ name, key, url }) => ["witness", name, formatKey(key), url]),
    ...policy.groups.map(({ name, threshold, members }) => ["group", name, `${threshold}`, ...members]),
    ["quorum", policy.quorum ?? NO_QUORUM],
  ];
  const words = lines.map((line) => line.filter((word) => word !== undefined));
  if (words.flat().some((word) => word === "" || /[ \t\n]/.test(word))) {
    throw new TlogError("POLICY_MALFORMED", "a name or URL of the policy is empty or has white space");
  }
  const text = words.map((line) => `${line.join(" ")}\n`).join("");
  parsePolicy(text);
  return text;
}

/**
 * Whether the witnesses that have cosigned are enough.
 * @param cosigned names of the witnesses, as the policy names them, whose cosignature has been verified
 */
export function isQuorumMet(policy: Policy, cosigned: ReadonlySet<string>): boolean {
  if (policy.quorum === undefined) return true;
  const met = new Set(policy.witnesses.map(({ name }) => name).filter((name) => cosigned.has(name)));
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => met.has(member)).length >= threshold) met.add(name);
  }
  return met.has(policy.quorum);
}

function readLines(input: Uint8Array | string): string[] {
  if (input.length > MAX_POLICY_BYTES) {
    throw new TlogError("POLICY_MALFORMED", `policy is above the limit of ${MAX_POLICY_BYTES} bytes`);
  }
  // The draft treats octets above 0x7f as opaque. What is not UTF-8 becomes U+FFFD, which only a comment may hold.
  const text =
    typeof input === "string" ? input : new TextDecoder("utf-8", { ignoreBOM: true }).decode(input);
  const control = text.search(FORBIDDEN);
  if (control >= 0) {
    throw new TlogError("POLICY_MALFORMED", `policy has a control character at offset ${control}`);
  }
  if (!text.endsWith("\n")) {
    throw new TlogError("POLICY_MALFORMED", "policy does not end in a newline; is it complete?");
  }
  return text.slice(0, -1).split("\n");
}

/** Collects the lines of a policy and holds its rules. Its errors are given a line number by the caller. */
class PolicyBuilder {
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: PolicyGroup[] = [];
  readonly #logKeys = new Set<string>();
  readonly #witnessKeys = new Set<string>();
  readonly #defined = new Set<string>();
  readonly #members = new Set<string>();
  #quorum: string | undefined;

  add([keyword, ...words]: readonly string[]): void {
    if (words.some((word) => word.includes("\ufffd") || !word.isWellFormed()))
      throw malformed("is not UTF-8");
    switch (keyword) {
      case "log":
        this.#addLog(words);
        break;
      case "witness":
        this.#addWitness(words);
        break;
      case "group":
        this.#addGroup(words);
        break;
      case "quorum":
        this.#setQuorum(words);
        break;
      default:
        throw malformed("does not start with log, witness, group or quorum");
    }
  }

  build(): Policy {
    if (this.#quorum === undefined) throw malformed("policy has no quorum line");
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum === NO_QUORUM ? undefined : this.#quorum,
    };
  }

  #addLog([vkey, url, ...rest]: readonly string[]): void {
    if (vkey === undefined || rest.length > 0) throw malformed("expected: log <vkey> [<url>]");
    const key = parseKey(vkey, KEY_TYPE_ED25519, this.#logKeys);
    this.#logs.push(url === undefined ? { key } : { key, url });
  }

  #addWitness([name, vkey, url, ...rest]: readonly string[]): void {
    if (name === undefined || vkey === undefined || rest.length > 0) {
      throw malformed("expected: witness <name> <vkey> [<url>]");
    }
    const key = parseKey(vkey, KEY_TYPE_COSIGNATURE_V1, this.#witnessKeys);
    this.#define(name);
    this.#witnesses.push(url === undefined ? { name, key } : { name, key, url });
  }

  #addGroup([name, rule, ...members]: readonly string[]): void {
    if (name === undefined || rule === undefined || members.length === 0) {
      throw malformed("expected: group <name> all|any|<k> <member>...");
    }
    const threshold = rule === "all" ? members.length : rule === "any" ? 1 : parseDecimal(rule);
    if (threshold < 1 || threshold > members.length) {
      throw malformed(`group of ${members.length} cannot have threshold ${threshold}`);
    }
    for (const member of members) {
      this.#requireDefined(member);
      if (this.#members.has(member)) throw malformed(`${member} is already the member of a group`);
      this.#members.add(member);
    }
    this.#define(name);
    this.#groups.push({ name, threshold, members });
  }

  #setQuorum([name, ...rest]: readonly string[]): void {
    if (name === undefined || rest.length > 0) throw malformed("expected: quorum <name>|none");
    if (this.#quorum !== undefined) throw malformed("second quorum line");
    if (name !== NO_QUORUM) this.#requireDefined(name);
    this.#quorum = name;
  }

  #define(name: string): void {
    if (name === NO_QUORUM) throw malformed(`"${NO_QUORUM}" is not a name to define`);
    if (this.#defined.has(name)) throw malformed(`${name} is already defined`);
    this.#defined.add(name);
  }

  #requireDefined(name: string): void {
    if (!this.#defined.has(name)) throw malformed(`${name} is not defined on an earlier line`);
  }
}

/** Keys are compared without their names: one key under two names would count twice. */
function parseKey(vkey: string, type: KeyType, seen: Set<string>): VerifierKey {
  const key = requireType(parseVerifierKey(vkey), type);
  const material = encodeHex(key.publicKey);
  if (seen.has(material)) throw malformed("the public key is already listed");
  seen.add(material);
  return key;
}

function formatKey(key: VerifierKey): string {
  return recode("POLICY_MALFORMED", "policy", () => formatVerifierKey(key));
}

function malformed(message: string): TlogError {
  return new TlogError("POLICY_MALFORMED", message);
}
