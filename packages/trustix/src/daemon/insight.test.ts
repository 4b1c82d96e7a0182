// Builders and a user's node: what its API says of all that they have built.
import { join } from "node:path";
import { expect, test } from "vitest";
import { DaemonClient } from "../cli/client.ts";
import {
  buildersSchema,
  overviewSchema,
  pathDetailSchema,
  pathPageSchema,
  reportSchema,
} from "../http/insight-schema.ts";
import { type Sample, sample } from "../substitute/caches.test.util.ts";
import {
  eventually,
  listenTo,
  NODE,
  startBuilder,
  startNode,
  temporary,
  whenSynced,
} from "./nodes.test.util.ts";

/** A path whose contents somebody swapped. */
async function swapped(of: Sample): Promise<Sample> {
  const { nar, facts } = await sample("evil", 5000);
  const { narHash, narSize } = facts;
  return { ...of, nar, facts: { ...of.facts, narHash, narSize } };
}

test("a node tells what is known of paths and builders", async () => {
  await using root = await temporary();
  const [hello, rare, common] = [
    await sample("hello", 500),
    await sample("rare", 500),
    await sample("common", 500),
  ];
  const evil = await swapped(hello);
  await using alice = await startBuilder(root.path, "alice", [hello, rare, common]);
  await using bob = await startBuilder(root.path, "bob", [hello, common]);
  await using chuck = await startBuilder(root.path, "chuck", [evil, common]);
  const user = join(root.path, "user");
  await using node = await startNode(user, `${NODE}${listenTo([alice, bob, chuck])}`);
  await whenSynced(node);
  const client = new DaemonClient(join(user, "state", "admin.sock"));
  const { signal } = new AbortController();
  const get = (path: string) => client.json({ method: "GET", path: `/api/v1/${path}`, signal });

  const overview = await eventually(
    async () => overviewSchema.parse(await get("overview")),
    ({ total, behind }) => total.paths === 3 && behind === 0,
  );
  expect(overview).toMatchObject({
    claims: 7,
    total: { paths: 3, reproducible: 1, disputed: 1, single: 1, unchecked: 0 },
    classes: { majority: 1, unanimous: 1, single: 1, split: 0 },
    operators: 3,
    suspects: [],
    quarantined: [],
  });
  expect(overview.timeline.points).toHaveLength(1);
  expect(overview.timeline.points[0]).toMatchObject({ claims: { alice: 3, bob: 2, chuck: 2 }, disputed: 1 });

  const { builders, matrix } = buildersSchema.parse(await get("builders"));
  expect(builders).toMatchObject([
    { operator: "alice", subscriptions: ["alice"], counts: { paths: 3 }, outlier: 0 },
    { operator: "bob", counts: { paths: 2 }, outlier: 0 },
    { operator: "chuck", counts: { paths: 2 }, outlier: 1, alone: 1 },
  ]);
  expect(matrix).toEqual({
    shared: [
      [3, 2, 2],
      [2, 2, 2],
      [2, 2, 2],
    ],
    agreed: [
      [3, 2, 1],
      [2, 2, 1],
      [1, 1, 2],
    ],
  });

  const find = async (query: string) =>
    pathPageSchema.parse(await get(`paths?${query}`)).items.map(({ name }) => name);
  expect(await find("q=HELL")).toEqual(["hello"]);
  expect(await find("q=o")).toEqual(["common", "hello"]);
  expect(await find("status=disputed")).toEqual(["hello"]);
  expect(await find("operator=chuck&outlier=true")).toEqual(["hello"]);
  expect(await find("operator=chuck&outlier=false")).toEqual(["common"]);
  expect(await find(`q=${rare.storePath}`)).toEqual(["rare"]);
  expect(await find(`q=${rare.hashPart.slice(0, 8)}`)).toEqual(["rare"]);

  const detail = pathDetailSchema.parse(await get(`paths/${hello.hashPart}`));
  expect(detail).toMatchObject({
    name: "hello",
    kind: "majority",
    agreeing: ["alice", "bob"],
    outliers: ["chuck"],
    statements: [
      { claims: [{ operator: "alice", index: 0 }, { operator: "bob" }] },
      { claims: [{ operator: "chuck", subscription: "chuck", index: 0 }] },
    ],
  });
  await expect(get(`paths/${"0".repeat(32)}`)).rejects.toMatchObject({ code: "NOT_FOUND" });

  const report = reportSchema.parse(
    await client.json({
      method: "POST",
      path: "/api/v1/report",
      body: { paths: [hello.storePath, rare.hashPart, `${"0".repeat(32)}-unknown`] },
      signal,
    }),
  );
  expect(report.total).toEqual({ paths: 3, reproducible: 0, disputed: 1, single: 1, unchecked: 1 });
  expect(report.disputed.map(({ name }) => name)).toEqual(["hello"]);
});
