// The section `[dashboard]`: what the public listener shows besides logs and caches.
import * as z from "zod";
import type { Address } from "./units.ts";

/** The section. */
export const dashboardSchema = z
  .strictObject({
    enabled: z.boolean().optional().meta({
      fallback:
        "`true` when every address of `[node] listen` is of this machine only (loopback, unix sockets)",
      description:
        "Serve the dashboard at `/ui/`, and what it reads at `/api/v1/`, on the public listener: paths, builders, decisions and the state of logs, nothing that changes anything. There is no password: whoever reaches the listener reads it.",
    }),
    hosts: z
      .array(
        z
          .string()
          .regex(
            /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
            "must be a host name in lower case, without a port",
          )
          .meta({ kind: "text", description: "A host name." }),
      )
      .max(32)
      .default([])
      .meta({
        kind: "list of host names",
        description:
          "Names under which browsers reach this node, such as that of a proxy in front of it. Requests for other names than these, this machine's and the address that they came in at are refused, because a page of a stranger could have sent them.",
        example: ["trustix.example.org"],
      }),
  })
  .meta({ description: "The dashboard on the public listener." });

/** Whether an address can be reached from this machine only. */
function isLocal(address: Address): boolean {
  switch (address.kind) {
    case "unix":
      return true;
    case "tcp":
      return /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(address.host);
    case "systemd":
      return false;
    default:
      return address satisfies never;
  }
}

/** What the section means for a node. */
export interface DashboardPlan {
  readonly isOn: boolean;
  /** Whether strangers may reach it: directly, or through a proxy that has a name. */
  readonly isOpen: boolean;
}

/** Works out what the section means, given where the public listener listens. */
export function planDashboard(
  { enabled, hosts }: { readonly enabled?: boolean | undefined; readonly hosts: readonly string[] },
  listen: readonly Address[],
): DashboardPlan {
  const isLocalOnly = listen.every(isLocal);
  return { isOn: enabled ?? isLocalOnly, isOpen: !isLocalOnly || hosts.length > 0 };
}
