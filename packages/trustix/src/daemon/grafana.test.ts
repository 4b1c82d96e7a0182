// The Grafana board shows metrics that there are.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DaemonClient } from "../cli/client.ts";
import { sample } from "../substitute/caches.test.util.ts";
import { eventually, listenTo, NODE, startBuilder, startNode, temporary } from "./nodes.test.util.ts";

interface Board {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

const BOARD = join(import.meta.dirname, "../../grafana/trustix.json");

test("every metric of the board is rendered by a running node, and says what is known", async () => {
  await using root = await temporary();
  const hello = await sample("hello", 500);
  const evil = { ...hello, facts: { ...hello.facts, narSize: hello.facts.narSize + 8 } };
  await using alice = await startBuilder(root.path, "alice", [hello]);
  await using bob = await startBuilder(root.path, "bob", [evil]);
  const directory = join(root.path, "user");
  await using _node = await startNode(directory, `${NODE}${listenTo([alice, bob])}`);
  const client = new DaemonClient(join(directory, "state", "admin.sock"));
  const { signal } = new AbortController();
  const metrics = await eventually(
    () => client.send({ method: "GET", path: "/metrics", signal }),
    (text) => text.includes('trustix_paths{status="disputed"} 1'),
  );
  const rendered = new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  const { panels } = JSON.parse(await readFile(BOARD, "utf8")) as Board;
  const named = new Set<string>();
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) {
      for (const [name] of expr.matchAll(/\b(?:trustix|process|nodejs)_[a-z0-9_]+/g)) {
        expect(rendered, `${title}: ${name}`).toContain(name.replace(/_bucket$/, ""));
        named.add(name);
      }
    }
  }
  expect(named.size).toBeGreaterThan(20);
  for (const line of [
    "trustix_disputes_opened 1",
    "trustix_disputes_healed 0",
    "trustix_analysis_claims 2",
    "trustix_analysis_behind 0",
    'trustix_operator_paths{operator="alice"} 1',
    'trustix_operator_agreed{operator="bob"} 0',
    "trustix_dashboard_clients 0",
  ]) {
    expect(metrics.split("\n")).toContain(line);
  }
});
