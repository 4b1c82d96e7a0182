// Nothing that a node says of a claim has to be believed: the browser checks it, and says so loudly when it does not hold.

import { encodeBase64, parseNote } from "@trustix/tlog";
import type { Browser, Page } from "playwright";
import type { PathDetailJson } from "trustix/src/http/insight-schema.ts";
import { TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ensureDashboard } from "../scripts/dashboard.ts";
import { type Between, CHROMIUM, openBrowser, openPage, standBetween } from "./dashboard-browser.ts";
import { COMPARED, openWorld, type World } from "./dashboard-world.ts";

describe.skipIf(CHROMIUM === undefined)("in Chromium", () => {
  let stack: AsyncDisposableStack;
  let world: World;
  let browser: Browser;
  let between: Between;
  let path: string;

  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    await ensureDashboard();
    world = stack.use(await openWorld());
    browser = stack.use(await openBrowser());
    between = stack.use(await standBetween(world.node.url));
    path = `${between.url}/ui/path/${world.hashPartOf(COMPARED)}`;
  });
  afterAll(() => stack.disposeAsync());
  afterEach(() => {
    between.tamper = () => undefined;
    between.upstream = world.node.url;
  });

  /** How the check of each claim on the page went, once all are done. */
  async function outcomes(page: Page): Promise<string[]> {
    await page.locator(".claims").first().waitFor();
    await expect.poll(() => page.locator(".checks[aria-busy]").count(), { timeout: 20_000 }).toBe(0);
    return await page.locator(".claims .checks-summary").allTextContents();
  }

  const VERIFIED = "✓ Verified in your browser";
  const isProof = (target: string, log: string): boolean =>
    target.startsWith(`/api/v1/subscriptions/${log}/proof`);

  /** Opens the path's page while somebody is in between: only the claim of alice is touched. */
  async function whatAliceLooksLike(): Promise<{ readonly alice: string; readonly alert: string }> {
    await using opened = await openPage(browser);
    await opened.page.goto(path);
    const [alice = "", ...others] = await outcomes(opened.page);
    expect(others).toEqual([VERIFIED, VERIFIED]);
    const alert = opened.page
      .getByRole("alert")
      .filter({ hasText: "Not everything here is what the logs say" });
    await alert.waitFor();
    return { alice, alert: (await alert.textContent())! };
  }

  test("a good log is verified: signature, inclusion, statement, and growth since the last visit", async () => {
    await using opened = await openPage(browser);
    const { page, problems } = opened;
    await page.goto(path);
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    await page.locator(".claims .checks summary").first().click();
    const checks = () => page.locator(".claims .check-list").first().locator("li").allTextContents();
    expect(await checks()).toMatchObject([
      expect.stringContaining("The key is the one that you know"),
      expect.stringContaining("The checkpoint is signed by that key"),
      expect.stringContaining("The entry is in that tree"),
      expect.stringContaining("Byte for byte."),
      expect.stringContaining("Nothing to compare with"),
    ]);
    await page.reload();
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    expect((await checks()).at(-1)).toContain("that was verified here before");
    // The log grows: that it only grew is proven from inclusion proofs, not taken on trust.
    const { size } = world.logs.get("alice")!.log;
    await world.build("alice", "grown-1.0");
    await expect
      .poll(async () => (await world.get<{ size: number }>("/api/v1/subscriptions/alice/entries")).size)
      .toBe(size + 1);
    await page.reload();
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    expect((await checks()).at(-1)).toContain(
      `The first ${size} of ${size + 1} entries are those that were verified here before.`,
    );
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test("a byte of the proof is changed", async () => {
    between.tamper = (target, body) =>
      isProof(target, "alice")
        ? body.replace(/^(index .*\n)(.)/m, (_, line, char) => line + (char === "A" ? "B" : "A"))
        : undefined;
    const { alice } = await whatAliceLooksLike();
    expect(alice).toContain("NOT verified: a check failed: proof does not lead to the expected root");
  });

  test("the checkpoint is signed by another key of the log's name", async () => {
    const other = await TestLog.create("alice.example.org/nix");
    const { log } = world.logs.get("alice")!;
    const forged = await other.sign({ size: log.size, root: new Uint8Array(32) });
    between.tamper = (target, body) =>
      isProof(target, "alice") ? body.slice(0, body.indexOf("\n\n") + 2) + forged : undefined;
    const { alice } = await whatAliceLooksLike();
    expect(alice).toContain("NOT verified: a check failed: no signature by a known key");
  });

  test("the log's key is said to have signed what it did not", async () => {
    between.tamper = (target, body) => {
      if (!isProof(target, "alice")) return undefined;
      const note = parseNote(body.slice(body.indexOf("\n\n") + 2));
      const [signature] = note.signatures;
      const zeros = encodeBase64(new Uint8Array(signature!.signature.length));
      return body.replace(
        /(— \S+ )(\S{8})\S+/,
        (_, name, id) =>
          `${name}${encodeBase64(Buffer.concat([Buffer.from(id, "base64").subarray(0, 4), Buffer.from(zeros, "base64")]))}`,
      );
    };
    const { alice } = await whatAliceLooksLike();
    expect(alice).toContain("NOT verified: a check failed");
    expect(alice).toMatch(/signature/);
  });

  test("another entry is given out as the one at that index", async () => {
    const proof = await (
      await fetch(new URL(`/api/v1/subscriptions/alice/proof?index=0`, world.node.url))
    ).text();
    const extra = /^extra .*$/m.exec(proof)![0];
    between.tamper = (target, body) =>
      isProof(target, "alice") ? body.replace(/^extra .*$/m, extra) : undefined;
    const { alice } = await whatAliceLooksLike();
    expect(alice).toContain("NOT verified: a check failed: proof does not lead to the expected root");
  });

  test("the node shows another statement than the log has", async () => {
    between.tamper = (target, body) =>
      target.startsWith("/api/v1/paths/")
        ? body.replace(/;sha256:./, (text) => `${text.slice(0, -1)}${text.endsWith("0") ? "1" : "0"}`)
        : undefined;
    await using opened = await openPage(browser);
    await opened.page.goto(path);
    const [alice, bob, chuck] = await outcomes(opened.page);
    for (const each of [alice, bob])
      expect(each).toContain("the entry in the log states something else than what the node shows");
    expect(chuck).toBe(VERIFIED);
    await opened.page.getByText("2 claims on this page are not backed by the log").waitFor();
  });

  test("the node passes off a true claim on another path as one on this", async () => {
    const [one, other] = await Promise.all(
      [COMPARED, "hello-3.0"].map((name) =>
        world.get<PathDetailJson>(`/api/v1/paths/${world.hashPartOf(name)}`),
      ),
    );
    between.tamper = (target) =>
      target === `/api/v1/paths/${one!.hashPart}`
        ? JSON.stringify({ ...one, statements: other!.statements })
        : undefined;
    await using opened = await openPage(browser);
    await opened.page.goto(path);
    for (const each of await outcomes(opened.page))
      expect(each).toContain("the entry in the log is about another path");
    between.tamper = (target) =>
      target === `/api/v1/paths/${one!.hashPart}` ? JSON.stringify(other) : undefined;
    await opened.page.reload();
    await opened.page.getByText("The node answers about another path than was asked for").waitFor();
  });

  test("the node shows a checkpoint, or attributes of an entry, that the log did not sign", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    between.tamper = (target, body) =>
      target.includes("/alice/entries") ? body.replaceAll('"kind":"built"', '"kind":"imported"') : undefined;
    await page.goto(`${between.url}/ui/log/alice`);
    await page.getByText("the entry in the log has other attributes than the node shows").first().waitFor();
    between.tamper = (target, body) =>
      target.endsWith("/alice/checkpoints")
        ? body.replace(/"size":(\d+)/, (_, size) => `"size":${Number(size) + 1}`)
        : undefined;
    await page.reload();
    await page.getByText("the signed tree is another than is shown").first().waitFor();
  });

  test("the node comes to name another key, and everything is signed by that", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(path);
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    const impostor = await TestLog.create("alice.example.org/nix");
    between.tamper = (target, body) =>
      target.endsWith("/alice/checkpoints")
        ? body.replaceAll(world.logs.get("alice")!.log.key, impostor.key)
        : undefined;
    await page.reload();
    const [alice] = await outcomes(page);
    expect(alice).toContain("the node now names another key or origin than the one that it named before");
    await page.goto(`${between.url}/ui/log/alice`);
    await page.getByText("The node names another key than the one that you know").waitFor();
  });

  test("the node is given another history of the log, signed by its own key", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(path);
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    // A liar's node: it follows a log that the same key signed, and that is other in its first entry and longer.
    const { log } = world.logs.get("alice")!;
    const forked = log.twin();
    await using server = await TestServer.start(forked.files);
    await forked.append([new TextEncoder().encode("another\n")]);
    await world.build("alice", "meanwhile-1.0");
    await expect
      .poll(async () => (await world.get<{ size: number }>("/api/v1/subscriptions/alice/entries")).size)
      .toBe(log.size);
    await page.reload();
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    const twin = await world.startTwin(new Map([...world.logs, ["alice", { log: forked, server }]]));
    between.upstream = twin.url;
    between.tamper = () => undefined;
    await page.reload();
    const [alice] = await outcomes(page);
    expect(alice).toContain("the log has signed two different trees");
  });

  test("a reader's own key is used, and its refusal shown", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    const other = await TestLog.create("alice.example.org/nix");
    await page.goto(`${between.url}/ui/log/alice`);
    const field = page.getByLabel("Pin a key that you have from the operator");
    await field.fill("not a key");
    await page.getByRole("button", { name: "Pin" }).click();
    await page.getByText("That is no verifier key").waitFor();
    await field.fill(other.key);
    await page.getByRole("button", { name: "Pin" }).click();
    await page.getByText("you: pinned").waitFor();
    await page.goto(path);
    expect((await outcomes(page))[0]).toContain("another key or origin than the one that you pinned");
    await page.goto(`${between.url}/ui/log/alice`);
    await field.fill(world.logs.get("alice")!.log.key);
    await page.getByRole("button", { name: "Pin" }).click();
    await page.goto(path);
    expect(await outcomes(page)).toEqual([VERIFIED, VERIFIED, VERIFIED]);
    await page.locator(".claims .checks summary").first().click();
    await page.getByText("It is the key that you pinned.").waitFor();
  });

  test("an answer of another shape, or without end, takes nothing else with it", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    for (const body of ["[]", '{"total":7}', "null", "<html>", "x".repeat(17 << 20)]) {
      between.tamper = (target) => (target.startsWith("/api/v1/overview") ? body : undefined);
      await page.goto(`${between.url}/ui/`);
      await page.getByRole("alert").first().waitFor();
      await page.getByRole("link", { name: "Logs", exact: true }).click();
      await page.getByRole("heading", { name: "Logs", level: 1 }).waitFor();
      await page.getByRole("link", { name: "alice" }).waitFor();
    }
  });

  test("what strangers write is shown as text, every character of it", async () => {
    const name = "<img src=x onerror=alert(1)>\u202Etxt.exe";
    between.tamper = (target, body) => {
      if (!target.startsWith("/api/v1/paths?")) return undefined;
      const page = JSON.parse(body) as { items: { name: string }[] };
      return JSON.stringify({ ...page, items: page.items.slice(0, 1).map((item) => ({ ...item, name })) });
    };
    await using opened = await openPage(browser);
    const { page, problems } = opened;
    await page.goto(`${between.url}/ui/packages`);
    await page.getByText("<img src=x onerror=alert(1)>\\u{202e}txt.exe").waitFor();
    expect(await page.locator("main img").count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test("the live stream comes back by itself, and rests while nobody looks", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(`${between.url}/ui/logs`);
    const indicator = page.locator(".live");
    await expect.poll(() => indicator.textContent()).toBe("live");
    between.cut();
    await expect.poll(() => indicator.textContent()).toBe("not live");
    await expect.poll(() => indicator.textContent(), { timeout: 10_000 }).toBe("live");
    const look = (hidden: boolean) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { value, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await look(true);
    expect(await indicator.textContent()).toBe("paused");
    await look(false);
    await expect.poll(() => indicator.textContent()).toBe("live");
  });
});
