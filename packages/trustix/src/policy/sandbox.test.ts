import { describe, expect, it } from "vitest";
import { openSandbox } from "./sandbox.ts";
import { parseScriptAnswer, type ScriptInput } from "./script.ts";

const statement = `1;/nix/store/${"0".repeat(32)}-hello;sha256:${"0".repeat(52)};1024;`;
const input: ScriptInput = {
  path: `/nix/store/${"0".repeat(32)}-hello`,
  name: "hello",
  hashPart: "0".repeat(32),
  votes: [
    { operator: "alice", kind: "statement", statement, logged: true },
    { operator: "bob", kind: "absent", statement: null, logged: false },
  ],
  quorum: {
    accepted: false,
    statement: null,
    reason: "no-quorum",
    rule: "default",
    explanation: "one of two",
  },
};

async function run(body: string, limits: { timeMs?: number; memoryBytes?: number } = {}) {
  const source = `export default function decide({ path, name, votes, quorum }) {\n${body}\n}`;
  return (await openSandbox({ source, fileName: "policy.js", ...limits })).decide(input);
}

describe("a script", () => {
  it("accepts and refuses, with a reason", async () => {
    expect(await run(`return { accept: votes[0].statement, because: "alice built " + name };`)).toEqual({
      kind: "accept",
      statement,
      because: "alice built hello",
    });
    expect(await run(`return { refuse: quorum.reason };`)).toEqual({ kind: "refuse", because: "no-quorum" });
  });

  it.each([
    ["syntax error", "export default function ("],
    ["no default export", "export const decide = () => ({ refuse: 'x' });"],
    ["no function", "export default { refuse: 'x' };"],
    ["exception at load", "throw new Error('no');"],
    ["endless loop at load", "for (;;);\nexport default () => ({ refuse: 'x' });"],
    ["import", "import fs from 'node:fs';\nexport default () => ({ refuse: 'x' });"],
    ["top-level await", "await null;\nexport default () => ({ refuse: 'x' });"],
    ["too long", `export default () => ({ refuse: "${"x".repeat(1 << 20)}" });`],
  ])("is refused at load: %s", async (_, source) => {
    await expect(openSandbox({ source, fileName: "policy.js" })).rejects.toMatchObject({
      code: "POLICY_SCRIPT_INVALID",
    });
  });

  it.each([
    ["exception", "throw new Error('broken');"],
    ["exception that is no error", "throw null;"],
    ["exception whose message never comes", "throw { get message() { for (;;); } };"],
    ["nothing returned", ""],
    ["both answers", "return { accept: votes[0].statement, refuse: 'x', because: 'y' };"],
    ["no reason", "return { accept: votes[0].statement };"],
    ["unknown property", "return { refuse: 'x', retry: true };"],
    ["promise", "return Promise.resolve({ refuse: 'x' });"],
    ["circle", "const a = {}; a.a = a; return a;"],
    ["answer that never ends", "return { get refuse() { for (;;); } };"],
    ["huge answer", "return { refuse: 'x'.repeat(1e6) };"],
    ["long reason", "return { refuse: 'x'.repeat(501) };"],
    ["polluted prototype instead of an answer", "Object.prototype.refuse = 'x'; return {};"],
    ["endless loop", "for (;;);"],
    ["endless loop that catches everything", "for (;;) { try { for (;;); } catch {} finally { for (;;); } }"],
    ["endless recursion", "(function f() { f(); })();"],
    ["catastrophic regular expression", "/(a+)+$/.test('a'.repeat(40) + '!');"],
    ["walk over an empty range", "Array(2 ** 32 - 1).indexOf(1);"],
    ["walk over what pretends to be an array", "Array.prototype.fill.call({ length: 2 ** 40 }, 1);"],
    ["memory in pieces", "const all = []; for (;;) all.push('x'.repeat(1000) + all.length);"],
    ["memory in doubling text", "let s = 'x'; for (;;) s += s;"],
    ["memory at once", "[...'x'.repeat(1e7)];"],
    ["deep nesting", "let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return o;"],
  ])("that misbehaves gives an error in bounded time: %s", async (_, body) => {
    expect((await run(body)).kind).toBe("error");
  });

  it("says that it took too long", async () => {
    expect(await run("for (;;);", { timeMs: 1 })).toEqual({ kind: "error", message: "it took too long" });
  });

  it("takes its time from the clock that is passed in", async () => {
    let ticks = 0;
    const source = "export default () => { for (let i = 0; i < 1e6; i++); return { refuse: 'done' }; };";
    const sandbox = await openSandbox({ source, fileName: "policy.js", now: () => ticks });
    expect(sandbox.decide(input)).toEqual({ kind: "refuse", because: "done" });
    const late = await openSandbox({ source, fileName: "policy.js", now: () => (ticks += 15) });
    expect(late.decide(input)).toEqual({ kind: "error", message: "it took too long" });
  });

  it("has a limit of memory that can be raised", async () => {
    const body = "const s = 'x'.repeat(3e6); return { refuse: String(s.length) };";
    expect((await run(body, { memoryBytes: 1 << 21 })).kind).toBe("error");
    expect(await run(body, { memoryBytes: 1 << 24 })).toEqual({ kind: "refuse", because: "3000000" });
  });
});

describe("the outside", () => {
  it.each([
    "process",
    "require",
    "fetch",
    "console",
    "setTimeout",
    "Date",
    "performance",
    "WebAssembly",
    "SharedArrayBuffer",
    "Atomics",
    "Proxy",
    "WeakRef",
    "std",
    "os",
    "Math.random",
    "import.meta.url",
    "globalThis.constructor.constructor('return this')().process",
    "decide.constructor('return typeof process === \"undefined\" ? undefined : process')()",
  ])("%s is not there", async (name) => {
    const answer = await run(
      `let found; try { found = ${name}; } catch {} return { refuse: found === undefined ? "absent" : "present" };`,
    );
    expect(answer).toEqual({ kind: "refuse", because: "absent" });
  });

  it("cannot be imported later", async () => {
    const body = `let loaded = "no"; import("node:fs").then(() => { loaded = "yes"; }); return { refuse: loaded };`;
    expect(await run(body)).toEqual({ kind: "refuse", because: "no" });
  });
});

describe("one decision and the next", () => {
  it("share nothing: variables, globals, prototypes and queued work are as after loading", async () => {
    const source = `
      let count = 0;
      const seen = [];
      const big = new Array(50000).fill(0);
      export default function decide({ votes }) {
        const before = [count++, seen.length, globalThis.leak, {}.leak, [].at.name, big[49999], JSON.leak].join();
        seen.push(votes);
        big[49999]++;
        globalThis.leak = Object.prototype.leak = JSON.leak = 1;
        Array.prototype.at = function leaked() {};
        JSON.stringify = () => "{}";
        Promise.resolve().then(() => { count = 100; });
        return { refuse: before };
      }`;
    const sandbox = await openSandbox({ source, fileName: "policy.js" });
    const first = sandbox.decide(input);
    expect(first).toMatchObject({ kind: "refuse", because: expect.stringMatching(/^0,0,,,/) });
    for (let round = 0; round < 20; round++) expect(sandbox.decide(input)).toEqual(first);
  });

  it("share nothing after a failure either", async () => {
    const source = `
      let failures = 0;
      export default function decide({ name }) {
        const before = failures++;
        if (name === "loop") for (;;);
        if (name === "recurse") decide({ name });
        if (name === "fill") { const all = []; for (;;) all.push({ n: all.length }); }
        return { refuse: "failures: " + before };
      }`;
    const sandbox = await openSandbox({ source, fileName: "policy.js" });
    for (const name of ["loop", "recurse", "fill", "loop", "fill"]) {
      expect(sandbox.decide({ ...input, name })).toMatchObject({ kind: "error" });
      expect(sandbox.decide(input)).toEqual({ kind: "refuse", because: "failures: 0" });
    }
  });

  it("survive an engine that breaks: refusing until a new one is there", async () => {
    const source = `export default function decide({ name }) {
      if (name === "break") JSON.parse("[".repeat(1e6));
      return { refuse: "fine" };
    }`;
    const sandbox = await openSandbox({ source, fileName: "policy.js", timeMs: 1000 });
    expect(sandbox.decide({ ...input, name: "break" })).toMatchObject({ kind: "error" });
    await expect
      .poll(() => sandbox.decide(input), { timeout: 10_000 })
      .toEqual({ kind: "refuse", because: "fine" });
  });
});

describe("parseScriptAnswer", () => {
  it.each([
    "",
    "null",
    "[]",
    "1",
    '"refuse"',
    "{}",
    '{"refuse":""}',
    '{"refuse":1}',
    '{"accept":1,"because":"x"}',
    '{"__proto__":{"refuse":"x"}}',
    "undefined",
  ])("%j is an error", (text) => {
    expect(parseScriptAnswer(text).kind).toBe("error");
  });
});
