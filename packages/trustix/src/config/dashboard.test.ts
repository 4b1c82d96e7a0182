import { describe, expect, test } from "vitest";
import { dashboardSchema, planDashboard } from "./dashboard.ts";
import { parseAddress } from "./units.ts";

/** The plan of a section for listeners at these addresses. */
function plan(section: object, ...listen: readonly string[]) {
  return planDashboard(
    dashboardSchema.parse(section),
    listen.map((text) => parseAddress(text)!),
  );
}

describe("the dashboard", () => {
  test.each([
    ["127.0.0.1:8484"],
    ["127.1.2.3:80"],
    ["[::1]:8484"],
    ["localhost:8484"],
    ["unix:/run/trustix/public.sock"],
  ])("is on for this machine at %s", (listen) => {
    expect(plan({}, listen)).toEqual({ isOn: true, isOpen: false });
  });

  test.each([
    ["0.0.0.0:8484"],
    ["[::]:8484"],
    ["192.0.2.1:80"],
    ["127.example.org:80"],
    ["localhost.example.org:80"],
    ["systemd:public"],
  ])("is off where strangers may reach %s", (listen) => {
    expect(plan({}, listen)).toEqual({ isOn: false, isOpen: true });
    expect(plan({}, "127.0.0.1:8484", listen)).toEqual({ isOn: false, isOpen: true });
    expect(plan({ enabled: true }, listen)).toEqual({ isOn: true, isOpen: true });
  });

  test("can be turned off, and is open to strangers once it has a name", () => {
    expect(plan({ enabled: false }, "127.0.0.1:8484").isOn).toBe(false);
    expect(plan({ hosts: ["trustix.example.org"] }, "127.0.0.1:8484")).toEqual({ isOn: true, isOpen: true });
  });

  test.each([["https://example.org"], ["example.org:443"], ["Example.org"], ["-a"], [""]])(
    "has no host name %j",
    (host) => {
      expect(dashboardSchema.safeParse({ hosts: [host] }).success).toBe(false);
    },
  );
});
