import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { inheritedSockets, SystemdNotifier } from "./systemd.ts";

test.each([
  ["no systemd", {}, []],
  ["another process's sockets", { LISTEN_PID: "8", LISTEN_FDS: "1" }, []],
  ["one without a name", { LISTEN_PID: "7", LISTEN_FDS: "1" }, [["trustix", [3]]]],
  [
    "several with names",
    { LISTEN_PID: "7", LISTEN_FDS: "3", LISTEN_FDNAMES: "public:admin:public" },
    [
      ["public", [3, 5]],
      ["admin", [4]],
    ],
  ],
  ["nonsense", { LISTEN_PID: "7", LISTEN_FDS: "many" }, []],
])("sockets of %s", (_, env, expected) => {
  expect([...inheritedSockets(env, 7)]).toEqual(expected);
});

test("systemd hears of readiness, of life while it lasts, and of the end", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trustix-systemd-"));
  const heard = join(directory, "heard");
  await writeFile(join(directory, "systemd-notify"), `#!/bin/sh\necho "$1" >>${heard}\n`);
  await chmod(join(directory, "systemd-notify"), 0o755);
  const errors: unknown[] = [];
  const env = { PATH: directory, NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "100000" };
  using notifier = new SystemdNotifier(env, (error) => errors.push(error));
  await notifier.ready();
  for (let i = 0; i < 200 && !(await readFile(heard, "utf8")).includes("WATCHDOG=1"); i++) await sleep(20);
  await notifier.stopping();
  const lines = (await readFile(heard, "utf8")).trim().split("\n");
  expect(lines[0]).toBe("READY=1");
  expect(new Set(lines.slice(1, -1))).toEqual(new Set(["WATCHDOG=1"]));
  expect(lines).toContain("STOPPING=1");
  expect(errors).toEqual([]);
  await rm(directory, { recursive: true });
});

test("without systemd nothing is started, and a missing program is reported and survived", async () => {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  using none = new SystemdNotifier({ PATH: "/nonexistent" }, onError);
  await none.ready();
  expect(errors).toEqual([]);
  using broken = new SystemdNotifier({ PATH: "/nonexistent", NOTIFY_SOCKET: "/run/x" }, onError);
  await broken.ready();
  expect(errors).toHaveLength(1);
});
