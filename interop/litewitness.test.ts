// A real witness (torchwood's litewitness) cosigns a log of ours, and refuses what it must (c2sp.org/tlog-witness).

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createCosignatureVerifier,
  createPrivateKey,
  createSigner,
  createVerifier,
  createVerifierKey,
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE_V1,
  KEY_TYPE_ED25519,
  type KeySigner,
  openNote,
  proveConsistency,
  signCheckpoint,
} from "@trustix/tlog";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Tool } from "../scripts/outside-tools/install.ts";
import { run } from "../scripts/outside-tools/process.ts";
import { MemoryTree } from "./memory-tree.ts";
import { findTool } from "./outside.ts";
import { type SshAgent, startSshAgent } from "./ssh-agent.ts";

const ORIGIN = "builder.example/log";
const WITNESS = "witness.example/w1";
const torchwood = await findTool("torchwood");

describe.skipIf(torchwood === undefined)("litewitness", () => {
  const tree = new MemoryTree(Array.from({ length: 3000 }, (_, i) => new TextEncoder().encode(`entry ${i}`)));
  let directory: string;
  let agent: SshAgent;
  let signer: KeySigner;
  let witness: Awaited<ReturnType<typeof startWitness>>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "trustix-witness-"));
    agent = await startSshAgent(join(directory, "agent"), new Uint8Array(32).fill(2));
    signer = await createSigner(await createPrivateKey(ORIGIN, KEY_TYPE_ED25519, new Uint8Array(32).fill(1)));
    witness = await startWitness(torchwood!, directory, agent, formatVerifierKey(signer.key));
  });

  afterAll(async () => {
    await witness?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const checkpointOf = (size: number, root = tree.root(size)) =>
    signCheckpoint({ origin: ORIGIN, size, root, extensions: [] }, [signer]);

  async function submit(old: number, checkpoint: string, proof: readonly Uint8Array[]) {
    const lines = proof.map((hash) => `${Buffer.from(hash).toString("base64")}\n`).join("");
    const body = `old ${old}\n${lines}\n${checkpoint}`;
    const response = await fetch(`${witness.url}/add-checkpoint`, { method: "POST", body });
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      body: await response.text(),
    };
  }

  test("cosigns the first checkpoint, and our code accepts the cosignature", async () => {
    const checkpoint = await checkpointOf(1000);
    const answer = await submit(0, checkpoint, []);
    expect(answer.status).toBe(200);
    const key = createVerifierKey(WITNESS, KEY_TYPE_COSIGNATURE_V1, agent.publicKey);
    const { verified } = await openNote(checkpoint + answer.body, [
      createVerifier(signer.key),
      createCosignatureVerifier(key),
    ]);
    expect(verified.map(({ name }) => name)).toEqual([ORIGIN, WITNESS]);
  });

  test("says which size it has when asked from another one", async () => {
    expect(await submit(0, await checkpointOf(2000), [])).toEqual({
      status: 409,
      type: "text/x.tlog.size",
      body: "1000\n",
    });
  });

  test("refuses another tree of the same size, and a proof with one bit changed", async () => {
    expect((await submit(1000, await checkpointOf(1000, new Uint8Array(32)), [])).status).toBe(422);
    const proof = (await proveConsistency(1000, 2000, tree)).map((hash) => Uint8Array.from(hash));
    proof[0]![0]! ^= 1;
    expect((await submit(1000, await checkpointOf(2000), proof)).status).toBe(422);
  });

  test("follows the log by our consistency proofs", async () => {
    let old = 1000;
    for (const size of [1000, 1001, 1024, 2000, 2047, 3000]) {
      const proof = await proveConsistency(old, size, tree);
      expect((await submit(old, await checkpointOf(size), proof)).status).toBe(200);
      old = size;
    }
  });
});

/** Starts the witness for one log, with a database of its own. */
async function startWitness(tool: Tool, directory: string, agent: SshAgent, vkey: string) {
  const database = join(directory, "witness.db");
  const control = join(tool.bin, "witnessctl");
  await run(control, ["add-log", "-db", database, "-origin", ORIGIN], { check: true });
  await run(control, ["add-key", "-db", database, "-origin", ORIGIN, "-key", vkey], { check: true });
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    join(tool.bin, "litewitness"),
    [
      ["-db", database],
      ["-name", WITNESS],
      ["-key", agent.fingerprint],
      ["-ssh-agent", agent.socket],
      ["-listen", address],
    ].flat(),
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(child, "exit");
  const url = `http://${address}`;
  for (let waited = 0; !(await answers(url)); waited += 50) {
    if (child.exitCode !== null || waited > 20_000) throw new Error(`litewitness did not start:\n${said}`);
    await sleep(50);
  }
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
