// An SSH agent with one Ed25519 key, as much of draft-ietf-sshm-ssh-agent as litewitness asks for.

import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";

const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** A running agent. */
export interface SshAgent extends AsyncDisposable {
  /** Path of its socket. */
  readonly socket: string;
  /** `SHA256:…`, as ssh-keygen writes it. */
  readonly fingerprint: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Serves the key of a 32-byte seed at a unix socket. */
export async function startSshAgent(socket: string, seed: Uint8Array): Promise<SshAgent> {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  const blob = Buffer.concat([string("ssh-ed25519"), string(publicKey)]);
  const server = createServer((connection) => serve(connection, (message) => answer(message, key, blob)));
  server.listen(socket);
  await once(server, "listening");
  return {
    socket,
    fingerprint: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`,
    publicKey,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}

function answer(message: Buffer, key: KeyObject, blob: Buffer): Buffer {
  switch (message[0]) {
    case REQUEST_IDENTITIES:
      return Buffer.concat([Buffer.of(IDENTITIES_ANSWER), uint32(1), string(blob), string("interop")]);
    case SIGN_REQUEST: {
      const start = 1 + 4 + message.readUInt32BE(1);
      const data = message.subarray(start + 4, start + 4 + message.readUInt32BE(start));
      const signature = Buffer.concat([string("ssh-ed25519"), string(sign(null, data, key))]);
      return Buffer.concat([Buffer.of(SIGN_RESPONSE), string(signature)]);
    }
    default:
      return Buffer.of(FAILURE);
  }
}

/** Messages are length-prefixed, either way. */
function serve(connection: Socket, reply: (message: Buffer) => Buffer): void {
  let pending = Buffer.alloc(0);
  connection.on("error", () => connection.destroy());
  connection.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE()) {
      const end = 4 + pending.readUInt32BE();
      connection.write(string(reply(pending.subarray(4, end))));
      pending = pending.subarray(end);
    }
  });
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function string(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([uint32(bytes.length), bytes]);
}
