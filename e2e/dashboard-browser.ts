// A real Chromium on the dashboard, and a node in between that changes what it passes on.

import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright";
import { findChromium } from "../scripts/test/chromium-stage.ts";

/** Where Chromium is; undefined when there is none, and then nothing of this can be tested. */
export const CHROMIUM = await findChromium();

/** Starts Chromium. */
export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  return await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox"] });
}

/** A page, and everything that went wrong on it: console errors, exceptions, violations of the content policy. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  readonly problems: readonly string[];
}

/** Opens a page in a context of its own: nothing is remembered from others. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  return { page, problems, [Symbol.asyncDispose]: () => context.close() };
}

/** Changes the body of an answer, by the target of the request; undefined leaves it as it is. */
export type Tamper = (target: string, body: string) => string | undefined;

/** A proxy before a node. */
export interface Between extends AsyncDisposable {
  readonly url: string;
  /** Where requests go. */
  upstream: string;
  tamper: Tamper;
  /** Cuts every connection; new ones are taken. */
  cut(): void;
}

/** Starts a proxy that passes everything on until told otherwise. */
export async function standBetween(upstream: string): Promise<Between> {
  const server = createServer((incoming, outgoing) => {
    const target = incoming.url ?? "/";
    const { "if-none-match": _, "accept-encoding": __, ...headers } = incoming.headers;
    const onward = request(new URL(target, between.upstream), { headers }, async (answer) => {
      if (answer.headers["content-type"]?.startsWith("text/event-stream")) {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      const body = await buffer(answer);
      const changed = between.tamper(target, body.toString("utf8"));
      const { etag, "content-length": ___, "transfer-encoding": ____, ...rest } = answer.headers;
      outgoing.writeHead(answer.statusCode!, rest).end(changed ?? body);
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    onward.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const between: Between = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upstream,
    tamper: () => undefined,
    cut: () => server.closeAllConnections(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      if (server.listening) await once(server, "close");
    },
  };
  return between;
}
