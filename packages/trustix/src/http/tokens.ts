// Bearer tokens of the admin API. The file holds SHA-256 hashes: a token has 256 random bits, so that nothing slower
// is needed, and a stolen file opens nothing.
import { createHash, timingSafeEqual } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { TrustixError } from "../errors.ts";
import { DurableFiles } from "../store/durable-files.ts";
import { lockFile } from "../store/file-lock.ts";
import { nodeFileSystem, systemErrorCode } from "../store/file-system.ts";

/** A token as the file knows it. */
export interface TokenRecord {
  /** Eight hex digits that name the token in commands and logs. */
  readonly id: string;
  /** Who uses it, for people. */
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** SHA-256 of the token's text, in hex. */
  readonly sha256: string;
}

const PREFIX = "trustix_";
const MAX_FILE_BYTES = 1 << 20;
const MAX_TOKENS = 1000;

const tokensSchema = z.strictObject({
  version: z.literal(1),
  tokens: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[0-9a-f]{8}$/),
        name: z.string().min(1).max(100),
        created: z.iso.datetime(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .max(MAX_TOKENS),
});

function hashToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/**
 * The tokens in a file; none when there is no file. Every change is on stable storage when its call returns, and none is lost
 * when several processes make them at once.
 */
export class TokenFile {
  readonly #path: string;
  #cached: { readonly stamp: string; readonly tokens: readonly TokenRecord[] } | undefined;

  /** @param path absolute */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws TrustixError `CONFIG_INVALID` when the file cannot be read or is not what this program writes */
  async list(): Promise<readonly TokenRecord[]> {
    try {
      const stats = await stat(this.#path, { bigint: true });
      const stamp = `${stats.ino} ${stats.mtimeNs} ${stats.size}`;
      if (this.#cached?.stamp === stamp) return this.#cached.tokens;
      const bytes = await nodeFileSystem.readFile(this.#path, MAX_FILE_BYTES);
      const { tokens } = tokensSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
      this.#cached = { stamp, tokens };
      return tokens;
    } catch (cause) {
      if (systemErrorCode(cause) === "ENOENT") return [];
      throw new TrustixError("CONFIG_INVALID", `${this.#path} is not a readable file of tokens`, {
        hint: "Restore the file from a backup, or delete it and create the tokens anew with `trustix token create`.",
        cause,
      });
    }
  }

  /**
   * Makes a token.
   * @param random 32 bytes of randomness
   * @returns its text, which is stored nowhere
   * @throws TrustixError `CONFIG_INVALID`, `INVALID_ARGUMENT` when the name is empty or too long; as {@link lockFile}
   */
  async create(
    name: string,
    random: Uint8Array,
    now: Date,
  ): Promise<{ readonly token: string; readonly record: TokenRecord }> {
    if (name.length === 0 || name.length > 100) {
      throw new TrustixError("INVALID_ARGUMENT", "the name of a token has 1 to 100 characters");
    }
    using _ = await lockFile(this.#path);
    const tokens = await this.list();
    if (tokens.length >= MAX_TOKENS) {
      throw new TrustixError("INVALID_ARGUMENT", `there are ${MAX_TOKENS} tokens already`, {
        hint: "Revoke some with `trustix token revoke ID`.",
      });
    }
    const token = PREFIX + Buffer.from(random).toString("base64url");
    const sha256 = hashToken(token).toString("hex");
    const record = { id: sha256.slice(0, 8), name, created: now.toISOString(), sha256 };
    await this.#write([...tokens, record]);
    return { token, record };
  }

  /** @throws TrustixError `NOT_FOUND`; as {@link lockFile} */
  async revoke(id: string): Promise<TokenRecord> {
    using _ = await lockFile(this.#path);
    const tokens = await this.list();
    const record = tokens.find((token) => token.id === id);
    if (record === undefined) {
      throw new TrustixError("NOT_FOUND", `no token has the id ${id.slice(0, 40)}`, {
        hint: "See `trustix token list`.",
      });
    }
    await this.#write(tokens.filter((token) => token !== record));
    return record;
  }

  /**
   * The token that an `Authorization` header carries.
   * @throws TrustixError `UNAUTHORIZED`
   */
  async authenticate(header: string | undefined): Promise<TokenRecord> {
    const token = /^Bearer (trustix_[A-Za-z0-9_-]{43})$/.exec(header ?? "")?.[1];
    let found: TokenRecord | undefined;
    if (token !== undefined) {
      const hash = hashToken(token);
      for (const record of await this.list()) {
        if (timingSafeEqual(hash, Buffer.from(record.sha256, "hex"))) found = record;
      }
    }
    if (found === undefined) {
      throw new TrustixError("UNAUTHORIZED", "no valid bearer token", {
        hint: "Send `Authorization: Bearer TOKEN` with a token from `trustix token create`.",
      });
    }
    return found;
  }

  async #write(tokens: readonly TokenRecord[]): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ version: 1, tokens }, null, 2)}\n`);
    // Hashes are no secret, and the default mode lets a daemon of another user read what root wrote.
    await new DurableFiles(nodeFileSystem, dirname(this.#path)).write([{ path: this.#path, bytes }]);
    this.#cached = undefined;
  }
}
