// The dashboard and the API that it reads, on the public listener.
import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import { type ApiParts, createApi } from "../http/admin-api.ts";
import { dashboardRoutes, loadDashboard } from "../http/dashboard.ts";
import { pageGuard } from "../http/page-guard.ts";
import { publicApiRoute } from "../http/public-api.ts";
import type { Route } from "../http/public-server.ts";
import { Slots } from "../http/slots.ts";

/** Costly operations under way at one time, and for one client: they ask others, or read everything. */
const MAX_COSTLY = 8;
const MAX_COSTLY_PER_CLIENT = 6;
/** Nothing that is sent to a listener that only reads has a body. */
const MAX_BODY_BYTES = 1024;

/** Where the built dashboard is: in a bundle beside it, else in its own package. */
const DASHBOARD_DIRECTORY = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../../../web/dist" : "../ui", import.meta.url),
);

/** How the pages are shown. */
export interface PublicPagesOptions {
  readonly parts: ApiParts;
  readonly hosts: readonly string[];
  /** Whether strangers may reach them. */
  readonly isOpen: boolean;
  /** Default: where the build puts it. */
  readonly directory?: string;
}

/** The routes, and the app behind them, which is to be closed. */
export async function openPublicPages(
  options: PublicPagesOptions,
): Promise<{ readonly routes: readonly Route[]; readonly app: FastifyInstance }> {
  const { parts, hosts, isOpen, directory = DASHBOARD_DIRECTORY } = options;
  const app = await createApi({
    ...parts,
    audience: "public",
    maxBodyBytes: MAX_BODY_BYTES,
    authenticate: async () => "public",
    costly: new Slots(MAX_COSTLY, MAX_COSTLY_PER_CLIENT),
    isOpen,
  });
  return {
    app,
    routes: [
      publicApiRoute(app, pageGuard(hosts, { isLocalOnly: !isOpen })),
      ...dashboardRoutes(
        await loadDashboard(directory),
        pageGuard(hosts, { isLocalOnly: !isOpen, documents: true }),
      ),
    ],
  };
}
