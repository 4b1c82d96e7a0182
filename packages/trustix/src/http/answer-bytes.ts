// Answers as the bytes that node:http would send: status line, headers, Date, keep-alive. RFC 9112 section 4, RFC 9110
// section 6.6.1.
import { STATUS_CODES } from "node:http";
import { type Answer, answerTo, type Representation, type RequestHead } from "./representation.ts";

/** Bodies up to this size are joined with their headers, so that they are written as one; so many bytes a second. */
const MAX_JOINED_BYTES = 16_384;
const JOINED_BYTES_PER_SECOND = 8 << 20;

/** An answer as bytes; `body` comes after `first`, unless it is part of it. */
export interface Message {
  readonly status: number;
  readonly first: Buffer;
  readonly body: Uint8Array | undefined;
}

/** Makes the bytes of answers. */
export class AnswerFormatter {
  readonly #keepAlive: string;
  #second = 0;
  #date = "";
  /** Answers to plain GETs, good for the second that stands in them. */
  #messages = new WeakMap<Representation, Message>();
  #joinable = 0;

  constructor(keepAliveTimeoutMs: number) {
    const seconds = Math.floor(keepAliveTimeoutMs / 1000);
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`;
  }

  /** Forgets what carries an older date. */
  #turn(): void {
    const now = Date.now();
    const second = Math.floor(now / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#date = new Date(now).toUTCString();
    this.#messages = new WeakMap();
    this.#joinable = JOINED_BYTES_PER_SECOND;
  }

  format({ status, headers, body }: Answer): Message {
    this.#turn();
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
    for (const name in headers) {
      const value = String(headers[name]);
      if (!/^[\t -~]*$/.test(value))
        throw new TypeError(`header ${name} has a character that it must not have`);
      head += `${name}: ${value}\r\n`;
    }
    const first = Buffer.from(`${head}Date: ${this.#date}\r\n${this.#keepAlive}`, "latin1");
    if (body === undefined || body.length > Math.min(MAX_JOINED_BYTES, this.#joinable))
      return { status, first, body };
    this.#joinable -= body.length;
    return { status, first: Buffer.concat([first, body]), body: undefined };
  }

  /** The answer to a GET without conditions. */
  formatWhole(request: RequestHead, found: Representation): Message {
    this.#turn();
    let message = this.#messages.get(found);
    if (message === undefined) {
      message = this.format(answerTo(request, found));
      this.#messages.set(found, message);
    }
    return message;
  }
}
