/**
 * Runs a policy script in QuickJS, compiled to WebAssembly: no file, network, clock or randomness is in its reach, and time and
 * memory are limited.
 *
 * Every decision starts from the same bytes. After the script is loaded, the memory of the WebAssembly instance is saved, and
 * put back after each call: whatever a call leaves behind (variables, patched prototypes, a broken heap) is gone, at the cost
 * of copying some hundred kilobytes instead of making a context and compiling the script again.
 *
 * The engine looks at the clock only between its own steps, so the built-ins that can walk an endless range in one step are taken
 * away or bounded. What is left is arithmetic on huge BigInts, seconds at worst; nothing that votes contain leads there, only
 * a script that sets out to.
 */

import variant from "@jitl/quickjs-singlefile-mjs-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
} from "quickjs-emscripten-core";
import { TrustixError } from "../errors.ts";
import { type PolicyScript, parseScriptAnswer, type ScriptAnswer, type ScriptInput } from "./script.ts";

/** What is used of `WebAssembly.Memory`; its full type is part of the DOM library, which this package does without. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
type MemoryConstructor = new (pages: { readonly initial: number; readonly maximum: number }) => WasmMemory;

/** A script and its limits. */
export interface SandboxOptions {
  /** The text of the module. At most 1 MiB. */
  readonly source: string;
  /** Shown in messages. */
  readonly fileName: string;
  /** Longest time of one decision, in milliseconds. Default 20. */
  readonly timeMs?: number;
  /** Most memory of the script, with its engine's heap, in bytes. Default 16 MiB. */
  readonly memoryBytes?: number;
  /** A clock in milliseconds. Default `performance.now`. */
  readonly now?: () => number;
}

const MAX_SOURCE_LENGTH = 1 << 20;
/** An answer is a statement of at most 33 KiB and a sentence, escaped. */
const MAX_ANSWER_LENGTH = 1 << 18;
const MAX_MESSAGE_LENGTH = 500;
const MAX_STACK_BYTES = 1 << 18;
/** Loading may take longer than deciding, but not for ever. */
const LOAD_TIME_MS = 1000;

const WASM_PAGE_BYTES = 1 << 16;
/** What the module asks for at least. */
const INITIAL_PAGES = 256;
const BLOCK_BYTES = 1 << 12;

/** Arrays longer than this cannot come from votes; walking one is a mistake, or takes for ever. */
const MAX_ARRAY_LENGTH = 100_000;

/**
 * Evaluated before the script. Takes away what is random, and bounds built-ins that walk `length` elements in one step: a
 * `length` may be 2^53 though nothing is there.
 */
const PRELUDE = `(() => {
  const { apply, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
  const Range = RangeError;
  const bounded = (original) => function (...args) {
    if (this?.length > ${MAX_ARRAY_LENGTH}) throw new Range("arrays may have at most ${MAX_ARRAY_LENGTH} elements here");
    return apply(original, this, args);
  };
  for (const key of ownKeys(Array.prototype)) {
    const { value, ...rest } = getOwnPropertyDescriptor(Array.prototype, key);
    if (typeof value === "function" && key !== "constructor") {
      defineProperty(Array.prototype, key, { ...rest, value: bounded(value) });
    }
  }
  delete Math.random;
  delete String.raw;
  const { parse, stringify } = JSON;
  return (decide, text) => stringify(decide(parse(text)));
})()`;

/**
 * Loads a script: evaluates the module and finds its default export.
 * @throws TrustixError `POLICY_SCRIPT_INVALID` when it cannot be used: too long, a syntax error, an import, an exception or
 * endless loop at load, or no function as its default export
 */
export async function openSandbox(options: SandboxOptions): Promise<PolicyScript> {
  const { source, fileName } = options;
  if (source.length > MAX_SOURCE_LENGTH) {
    throw unusable(fileName, `it is longer than ${MAX_SOURCE_LENGTH} characters`);
  }
  return new Sandbox(options, await Engine.start(options));
}

function unusable(fileName: string, reason: string): TrustixError {
  return new TrustixError("POLICY_SCRIPT_INVALID", `${fileName} cannot be used as a policy: ${reason}`, {
    hint: "A policy script is one JavaScript module without imports whose default export is a function: see docs/guides/policies.md.",
  });
}

class Sandbox implements PolicyScript {
  readonly #options: SandboxOptions;
  /** Undefined while a new one starts. */
  #engine: Engine | undefined;
  #isStarting = false;

  constructor(options: SandboxOptions, engine: Engine) {
    this.#options = options;
    this.#engine = engine;
  }

  decide(input: ScriptInput): ScriptAnswer {
    if (this.#engine === undefined) {
      void this.#restart();
      return { kind: "error", message: "its engine is being restarted" };
    }
    try {
      return this.#engine.call(JSON.stringify(input));
    } catch (error) {
      // The engine itself broke, for instance because this process' own stack ended: nothing of it can be used again.
      this.#engine = undefined;
      void this.#restart();
      return {
        kind: "error",
        message: `its engine broke: ${error instanceof Error ? error.message : "unknown"}`,
      };
    }
  }

  async #restart(): Promise<void> {
    if (this.#isStarting) return;
    this.#isStarting = true;
    try {
      this.#engine = await Engine.start(this.#options);
    } catch {
      // It started once, so what is missing now is memory or time: the next decision tries again.
    } finally {
      this.#isStarting = false;
    }
  }
}

/** One WebAssembly instance with the script loaded. */
class Engine {
  readonly #memory: WasmMemory;
  readonly #context: QuickJSContext;
  readonly #entry: QuickJSHandle;
  readonly #script: QuickJSHandle;
  readonly #saved: readonly SavedRange[];
  readonly #timeMs: number;
  readonly #clock: Deadline;

  private constructor(
    memory: WasmMemory,
    context: QuickJSContext,
    entry: QuickJSHandle,
    script: QuickJSHandle,
    unusedStack: Range,
    timeMs: number,
    clock: Deadline,
  ) {
    this.#memory = memory;
    this.#context = context;
    this.#entry = entry;
    this.#script = script;
    this.#timeMs = timeMs;
    this.#clock = clock;
    this.#saved = save(memory, unusedStack);
  }

  static async start(options: SandboxOptions): Promise<Engine> {
    const { source, fileName, timeMs = 20, memoryBytes = 1 << 24, now = () => performance.now() } = options;
    const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: MemoryConstructor } }).WebAssembly;
    const memory = new Memory({
      initial: INITIAL_PAGES,
      maximum: INITIAL_PAGES + Math.ceil(memoryBytes / WASM_PAGE_BYTES),
    });
    const module = await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory: memory }));
    const unusedStack = longestZeroRun(memory);
    const runtime: QuickJSRuntime = module.newRuntime();
    runtime.setMemoryLimit(memoryBytes);
    runtime.setMaxStackSize(MAX_STACK_BYTES);
    const clock = new Deadline(now);
    runtime.setInterruptHandler(() => clock.isOver());
    const context = runtime.newContext({
      intrinsics: {
        BaseObjects: true,
        Eval: true,
        JSON: true,
        MapSet: true,
        Promise: true,
        RegExp: true,
        RegExpCompiler: true,
        StringNormalize: true,
      },
    });
    clock.start(LOAD_TIME_MS);
    const entry = context.unwrapResult(context.evalCode(PRELUDE, "prelude.js"));
    const loaded = context.evalCode(source, fileName, { type: "module" });
    if (loaded.error !== undefined) throw unusable(fileName, describe(context, loaded.error));
    const script = context.getProp(loaded.value, "default");
    if (context.typeof(script) !== "function") {
      throw unusable(fileName, "its default export is no function");
    }
    return new Engine(memory, context, entry, script, unusedStack, timeMs, clock);
  }

  /** Calls the script and puts the memory back. */
  call(input: string): ScriptAnswer {
    try {
      return this.#call(input);
    } finally {
      restore(this.#memory, this.#saved);
    }
  }

  /** Every handle made here must be disposed before the memory that it points to is put back. */
  #call(input: string): ScriptAnswer {
    const context = this.#context;
    this.#clock.start(this.#timeMs);
    using argument = context.newString(input);
    const result = context.callFunction(this.#entry, context.undefined, this.#script, argument);
    if (result.error !== undefined) return { kind: "error", message: describe(context, result.error) };
    using value = result.value;
    if (context.typeof(value) !== "string") return { kind: "error", message: "it returned no object" };
    using length = context.getProp(value, "length");
    return context.getNumber(length) > MAX_ANSWER_LENGTH
      ? { kind: "error", message: `its answer is longer than ${MAX_ANSWER_LENGTH} characters` }
      : parseScriptAnswer(context.getString(value));
  }
}

/** When the engine must stop. */
class Deadline {
  readonly #now: () => number;
  #endMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  start(timeMs: number): void {
    this.#endMs = this.#now() + timeMs;
  }

  isOver(): boolean {
    return this.#now() >= this.#endMs;
  }
}

/** What was thrown, in a few words; takes the handle. */
function describe(context: QuickJSContext, thrown: QuickJSHandle): string {
  using error = thrown;
  if (context.typeof(error) !== "object") return "it threw something that is no error";
  using message = context.getProp(error, "message");
  if (context.typeof(message) !== "string") return "it threw something that is no error";
  using length = context.getProp(message, "length");
  if (context.getNumber(length) > MAX_MESSAGE_LENGTH) return "it threw an error with a very long message";
  const text = context.getString(message);
  return text === "interrupted" ? "it took too long" : text;
}

/** Bytes `start` to `end` of a memory. */
interface Range {
  readonly start: number;
  readonly end: number;
}

interface SavedRange {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/**
 * The part of a fresh instance's memory that its stack has never touched: by far the longest run of zeros below the last byte
 * in use. It need not be saved, since what lies below the stack pointer means nothing between calls.
 */
function longestZeroRun(memory: WasmMemory): Range {
  let longest: Range = { start: 0, end: 0 };
  let start = 0;
  const end = endOfUse(memory);
  for (let at = 0; at < end; at += BLOCK_BYTES) {
    const block = new BigUint64Array(memory.buffer, at, BLOCK_BYTES / 8);
    if (!block.every((word) => word === 0n)) start = at + BLOCK_BYTES;
    else if (at + BLOCK_BYTES - start > longest.end - longest.start)
      longest = { start, end: at + BLOCK_BYTES };
  }
  return longest;
}

/** The end of the last block that has a byte other than zero. */
function endOfUse(memory: WasmMemory): number {
  const words = new BigUint64Array(memory.buffer);
  const last = words.findLastIndex((word) => word !== 0n);
  return Math.ceil(((last + 1) * 8) / BLOCK_BYTES) * BLOCK_BYTES;
}

function save(memory: WasmMemory, unused: Range): SavedRange[] {
  const ranges: Range[] = [
    { start: 0, end: unused.start },
    { start: unused.end, end: endOfUse(memory) },
  ];
  return ranges.map(({ start, end }) => ({ start, bytes: new Uint8Array(memory.buffer).slice(start, end) }));
}

function restore(memory: WasmMemory, saved: readonly SavedRange[]): void {
  const bytes = new Uint8Array(memory.buffer);
  for (const range of saved) bytes.set(range.bytes, range.start);
}
