// The OpenAPI document is true: everything in it is there, and everything that a running node answers is as it says.
import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import * as z from "zod";
import { createLogKey } from "../cli/keys.ts";
import { openApiDocument } from "../http/openapi.ts";
import { OPERATIONS, type Operation } from "../http/operations.ts";
import { sample } from "../substitute/caches.test.util.ts";
import {
  eventually,
  listenTo,
  NODE,
  startBuilder,
  startNode,
  temporary,
  whenSynced,
} from "./nodes.test.util.ts";

interface Media {
  readonly schema?: object;
}
interface Document {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly operationId: string;
            readonly responses: { readonly "200": { readonly content: Readonly<Record<string, Media>> } };
          }
        >
      >
    >
  >;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function ask(socketPath: string, method: string, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? {} : { "content-type": "application/json" };
    const sent = request({ socketPath, method, path, headers }, (response) => {
      const type = response.headers["content-type"]?.split(";")[0] ?? "";
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, type, body }), reject);
    });
    sent.once("error", reject);
    sent.end(payload);
  });
}

/** A validator made from the document alone. */
function validatorOf(schema: object, { components }: Document): z.ZodType {
  const local = JSON.stringify({ ...schema, $defs: components.schemas });
  return z.fromJSONSchema(JSON.parse(local.replaceAll("#/components/schemas/", "#/$defs/")));
}

test("the document has every operation, and no name twice", () => {
  const { paths } = openApiDocument() as unknown as Document;
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [operationId, method.toUpperCase(), path]),
  );
  const served = Object.entries<Operation>(OPERATIONS).map(([name, { method, path }]) => [
    name,
    method,
    path,
  ]);
  expect(documented.sort()).toEqual(served.sort());
  expect(new Set(served.map(([, method, path]) => `${method} ${path}`)).size).toBe(served.length);
});

test("what a node answers is what the document says", async () => {
  await using root = await temporary();
  const [hello, other] = [await sample("hello", 500), await sample("other", 500)];
  const evil = { ...hello, facts: { ...hello.facts, narSize: hello.facts.narSize + 8 } };
  await using alice = await startBuilder(root.path, "alice", [hello, other]);
  await using bob = await startBuilder(root.path, "bob", [evil, hello, other]);
  const user = join(root.path, "user");
  const { secret } = await createLogKey("user.test/own");
  await writeFile(join(root.path, "own.key"), secret, { mode: 0o600 });
  await using node = await startNode(
    user,
    `${NODE}${listenTo([alice, bob])}
[[log]]
name = "own"
protocol = "raw"
origin = "user.test/own"
key-file = "../own.key"
`,
  );
  await whenSynced(node);
  const socketPath = join(user, "state", "admin.sock");
  await eventually(
    () => ask(socketPath, "GET", "/api/v1/overview"),
    ({ body }) => (JSON.parse(body) as { total?: { paths: number } }).total?.paths === 2,
  );
  const params: Readonly<Record<string, string>> = {
    hash: hello.hashPart,
    what: hello.hashPart,
    name: "bob",
    log: "own",
    operator: "bob",
  };
  const queries: Readonly<Record<string, string>> = {
    proveEntry: "index=0",
    proveContradiction: `what=${hello.hashPart}`,
    proveClaim: "index=0",
    findStorePaths: "name=hello",
    findPaths: "q=hello",
  };
  const bodies: Readonly<Record<string, unknown>> = {
    submitClaims: { claims: [{ key: "a", value: "b" }], wait: true },
    makeReport: { paths: [hello.storePath] },
    decide: { paths: [{ what: hello.hashPart }] },
    quarantineOperator: { reason: "a test" },
    releaseOperator: { reason: "a test" },
  };
  /** Needs what this node does not have: Nix, NARs, evidence. */
  const refused = new Set(["backfill", "diffPath", "watchDiff", "getEvidence"]);
  const document = JSON.parse((await ask(socketPath, "GET", "/api/v1/openapi.json")).body) as Document;
  const checked: string[] = [];
  // Claims are submitted before they are proven.
  const order = Object.entries(document.paths).sort(([a], [b]) =>
    a.endsWith("/claims") ? -1 : b.endsWith("/claims") ? 1 : 0,
  );
  for (const [template, methods] of order) {
    for (const [method, { operationId, responses }] of Object.entries(methods)) {
      const [[type, media]] = Object.entries(responses["200"].content) as [[string, Media]];
      if (type === "text/event-stream") continue;
      const path = template.replace(/\{(\w+)\}/g, (_, key: string) => params[key] ?? "missing");
      const query = queries[operationId] === undefined ? "" : `?${queries[operationId]}`;
      const answer = await ask(
        socketPath,
        method.toUpperCase(),
        path + query,
        method === "post" ? (bodies[operationId] ?? {}) : undefined,
      );
      if (refused.has(operationId)) {
        expect(answer.body).not.toMatch(/"no (GET|POST) /);
        continue;
      }
      expect(answer.status, `${operationId}: ${answer.body}`).toBe(200);
      expect(answer.type, operationId).toBe(type);
      if (media.schema === undefined) continue;
      const validator = validatorOf(media.schema, document);
      const values = type === "application/x-ndjson" ? answer.body.trimEnd().split("\n") : [answer.body];
      for (const value of values) {
        const { error } = validator.safeParse(JSON.parse(value));
        expect(error, `${operationId}: ${value.slice(0, 2000)}`).toBeUndefined();
      }
      checked.push(operationId);
    }
  }
  expect(checked).toEqual(
    expect.arrayContaining(["getOverview", "getBuilders", "getPath", "getStatus", "explainDecision"]),
  );
  expect(checked.length).toBeGreaterThan(18);
});
