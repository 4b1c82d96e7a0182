// Composes the roles that the configuration turns on. The only place that knows all of them.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleepMs } from "node:timers/promises";
import { formatPublicKey, nixProtocol, rawProtocol, type Signer } from "@trustix/nix";
import { ANALYSIS_FILE } from "../analyse/analysis-database.ts";
import { cacheRoute } from "../cache/cache-route.ts";
import { DamagedPaths } from "../cache/damaged-paths.ts";
import { ServedPaths } from "../cache/served-paths.ts";
import { StoreNames, storeDirectory } from "../cache/store-names.ts";
import { planDashboard } from "../config/dashboard.ts";
import type { Config } from "../config/load.ts";
import { formatAddress } from "../config/units.ts";
import { TrustixError } from "../errors.ts";
import { type ApiOptions, type ApiParts, createAdminServer, createApi } from "../http/admin-api.ts";
import { type Listener, openListener } from "../http/bind.ts";
import { frontPage } from "../http/front-page.ts";
import { LiveStream } from "../http/live.ts";
import { logFileCache, logRoute } from "../http/log-files.ts";
import type { NodeDescription } from "../http/node-description.ts";
import { createPublicServer, type Route } from "../http/public-server.ts";
import { RateLimiter } from "../http/rate-limit.ts";
import type { ReloadJson } from "../http/reload-schema.ts";
import { TokenFile } from "../http/tokens.ts";
import { PublishedLog } from "../log/published-log.ts";
import { LocalNix } from "../nix/local-nix.ts";
import type { Outcome } from "../publish/publisher.ts";
import type { BackfillProgress } from "../publish/reconcile.ts";
import type { Sleep } from "../sleep.ts";
import { StateLock } from "../store/state-lock.ts";
import { VERSION } from "../version.ts";
import { createApiLog, type NixParts, type NodeLog } from "./api-log.ts";
import { Insight } from "./insight.ts";
import { loadCacheKey, loadLogKey } from "./key-files.ts";
import type { Logger } from "./logger.ts";
import { Metrics } from "./metrics.ts";
import { descriptionRoute, nodeRoutes } from "./node-routes.ts";
import { fetchPublicCheckpoint } from "./public-checkpoint.ts";
import { openPublicPages } from "./public-pages.ts";
import { Publishing } from "./publishing.ts";
import { Reloader } from "./reload.ts";
import type { NodeStatus } from "./status.ts";
import { openUserRoles, type UserRoles } from "./user-roles.ts";

/** What the daemon needs besides its configuration. */
export interface DaemonDependencies {
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Sockets from systemd by name. */
  readonly inherited: ReadonlyMap<string, readonly number[]>;
}

/** A running daemon. Disposing stops it gracefully: requests finish, acknowledged claims are published. */
export interface Daemon extends AsyncDisposable {
  readonly status: () => NodeStatus;
  /** Reads the configuration file again. @throws TrustixError as `Reloader.reload` */
  readonly reload: () => Promise<ReloadJson>;
}

/** Memory for tiles and bundles that are served. */
const FILE_CACHE_BYTES = 32 << 20;
/** Where this machine's store is served. */
const CACHE_PATH = "/cache/";

interface RunningLog {
  readonly config: Config["log"][number];
  readonly log: PublishedLog;
  readonly api: NodeLog;
  readonly nixParts: NixParts | undefined;
}

const sleep: Sleep = (durationMs, signal) =>
  sleepMs(durationMs, undefined, signal === undefined ? {} : { signal });

class Composition {
  readonly #config: Config;
  readonly #dependencies: DaemonDependencies;
  readonly #stack: AsyncDisposableStack;
  readonly #startedMs = performance.now();
  readonly #stop = new AbortController();
  readonly #logs: RunningLog[] = [];
  readonly #metrics: Metrics | undefined;
  readonly #publishing: Publishing;
  #user: UserRoles | undefined;
  #reloader: Reloader | undefined;
  #insight: Insight | undefined;
  #live: LiveStream | undefined;
  #listener: Listener | undefined;

  constructor(config: Config, dependencies: DaemonDependencies, stack: AsyncDisposableStack) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#stack = stack;
    this.#metrics = config.metrics.enabled ? new Metrics(this.status) : undefined;
    const { logger } = dependencies;
    this.#publishing = new Publishing({ config: config.publish, logger, metrics: this.#metrics, sleep });
  }

  readonly status = (): NodeStatus => ({
    version: VERSION,
    pid: process.pid,
    uptimeMs: Math.round(performance.now() - this.#startedMs),
    listen: (this.#listener?.addresses ?? []).map(formatAddress),
    logs: this.#logs.map(({ api }) => api.status()),
    policy: {
      mode: this.#user?.decisions.policy.mode ?? this.#config.policy.mode,
      operators: this.#config.operator.map(({ name }) => name),
      quarantined: this.#user?.decisions.quarantine.list().map(({ operator }) => operator) ?? [],
      default: this.#user?.decisions.policy.defaultQuorum,
    },
    subscriptions: this.#user?.decisions.status() ?? [],
    substituter: this.#user?.substituter?.stats(),
  });

  readonly reload = async (): Promise<ReloadJson> => {
    if (this.#reloader !== undefined) return await this.#reloader.reload();
    throw new TrustixError("CLOSED", "the daemon is starting");
  };

  /** Starts everything; what was started is on the stack, in the order in which it must end last to first. */
  async start(): Promise<void> {
    const { stateDir } = this.#config.node;
    await mkdir(join(stateDir, "logs"), { recursive: true });
    this.#stack.use(StateLock.acquire(stateDir));
    const { nix: nixConfig, log: logConfigs, cache } = this.#config;
    const needsNix = cache.enabled || logConfigs.some(({ protocol }) => protocol === "nix");
    const nix = needsNix ? this.#createNix(nixConfig) : undefined;
    for (const config of logConfigs) this.#logs.push(await this.#openLog(config, nix));
    this.#user = await openUserRoles(this.#config, this.#dependencies.logger, sleep);
    if (this.#user !== undefined) this.#stack.use(this.#user);
    const { logger } = this.#dependencies;
    this.#reloader = new Reloader({ config: this.#config, decisions: this.#user?.decisions, logger });
    this.#openInsight();
    await this.#openPublicListener(nix);
    await this.#openAdminListeners();
    this.#startPublishing();
  }

  #openInsight(): void {
    const { decisions, analysis } = this.#user ?? {};
    if (decisions === undefined || analysis === undefined) return;
    const { subscription, operator, nix } = this.#config;
    const claimsPath = decisions.claims.path;
    const data = {
      claimsPath,
      analysisPath: join(dirname(claimsPath), ANALYSIS_FILE),
      storeDir: nix.storeDir,
      operators: operator.map(({ name }) => name),
      subscriptions: subscription.map(({ name, operator, vkey }) => ({
        name,
        operator,
        isSigned: vkey === undefined,
      })),
    };
    this.#insight = this.#stack.use(new Insight(data, this.#dependencies.logger));
    this.#live = this.#stack.use(new LiveStream(this.#insight, this.#stop.signal));
    this.#metrics?.observe(this.#insight, this.#live);
  }

  #createNix({ nixStore, storeDir }: Config["nix"]): LocalNix {
    return new LocalNix({ nixStore, storeDir, env: this.#dependencies.env });
  }

  async #openLog(config: Config["log"][number], nix: LocalNix | undefined): Promise<RunningLog> {
    const { name, origin, publicUrl } = config;
    const { logger } = this.#dependencies;
    const { signer, vkey } = await loadLogKey(config.keyFile, origin);
    const isNix = config.protocol === "nix" && nix !== undefined;
    const log = this.#stack.use(
      await PublishedLog.open(
        {
          origin,
          directory: join(this.#config.node.stateDir, "logs", name),
          batchMs: config.batch,
          maxPendingEntries: config.maxPending,
        },
        {
          protocol: isNix ? nixProtocol(nix.storeDir) : rawProtocol,
          signer,
          onProblem: (err) => logger.warn({ log: name, err }, "log has a problem"),
          ...(publicUrl === undefined ? {} : { fetchPublished: fetchPublicCheckpoint(publicUrl) }),
        },
      ),
    );
    const nixParts = isNix ? this.#publishing.parts(log, nix) : undefined;
    const onOutcome = (outcome: Outcome, from: "submit" | "backfill"): void =>
      this.#publishing.report(name, outcome, from === "backfill" ? "debug" : "info");
    const onBackfilled = (sums: BackfillProgress): void =>
      logger.info({ log: name, ...sums }, "backfill has ended");
    logger.info({ log: name, origin, size: log.published().size, vkey }, "log is open");
    return {
      config,
      log,
      nixParts,
      api: createApiLog({ name, vkey, log, nixParts, onOutcome, onBackfilled }),
    };
  }

  async #openPublicListener(nix: LocalNix | undefined): Promise<void> {
    const { logger, inherited } = this.#dependencies;
    const { node, cache, metrics } = this.#config;
    const files = logFileCache(FILE_CACHE_BYTES);
    const described = this.#logs.map(({ config, api }) => {
      const { name, protocol, origin, vkey } = api.status();
      return { name, protocol, origin, vkey, url: config.publicUrl ?? `log/${name}/` };
    });
    let describedCache: NodeDescription["cache"];
    const routes: Route[] = [
      ...nodeRoutes(() => this.#findProblem(), metrics.public ? this.#metrics : undefined),
      ...this.#logs.map(({ config, log }) =>
        logRoute({ name: config.name, directory: log.directory, published: () => log.published() }, files),
      ),
    ];
    const substituter = this.#user?.substituter;
    if (substituter !== undefined) routes.push(substituter.route);
    if (cache.enabled && nix !== undefined && cache.keyFile !== undefined) {
      const signer = await loadCacheKey(cache.keyFile);
      const route = this.#createCache(nix, signer);
      // At the root, too, unless the substituter is there: what this machine has and what its policy accepts are two things.
      routes.push({ ...route, path: CACHE_PATH });
      if (substituter === undefined) routes.push(route);
      describedCache = { url: CACHE_PATH.slice(1), publicKey: formatPublicKey(signer.publicKey) };
    }
    if (described.length > 0 || describedCache !== undefined) {
      const { operator } = node;
      routes.push(descriptionRoute({ operator, logs: described, cache: describedCache }));
    }
    routes.push(...(await this.#openPublicPages()));
    routes.push(frontPage(routes));
    const onError = (err: unknown, target: string): void => logger.error({ err, target }, "request failed");
    this.#listener = await openListener(node.listen, {
      createServer: () =>
        createPublicServer({
          routes,
          maxConnections: node.maxConnections,
          maxConnectionsPerClient: node.maxConnectionsPerClient,
          onError,
          onRequest: (record) => {
            this.#metrics?.countRequest(record);
            if (node.logLevel === "debug") logger.debug({ ...record }, "request");
          },
        }),
      graceMs: node.shutdownGrace,
      inherited,
      onError: (err) => onError(err, "accept"),
    });
    this.#stack.use(this.#listener);
    logger.info({ addresses: this.#listener.addresses.map(formatAddress) }, "public listener is open");
  }

  #createCache(nix: LocalNix, signer: Signer): Route {
    const { logger } = this.#dependencies;
    const { priority, wantMassQuery, verifyBeforeSend } = this.#config.cache;
    const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;
    return cacheRoute({
      storeDir: nix.storeDir,
      priority,
      wantMassQuery,
      paths: new ServedPaths(nix, new StoreNames(storeDirectory(nix.storeDir), nowNs)),
      signer,
      damaged: new DamagedPaths(() => performance.now()),
      verifyBeforeSendBytes: verifyBeforeSend,
      onDamaged: (err) => {
        this.#metrics?.countDamaged();
        logger.error({ err }, "store path is damaged and will not be served");
      },
      onUnreadable: (err) => logger.warn({ err }, "store path cannot be served"),
    });
  }

  #apiParts(): ApiParts {
    const { api, metrics } = this.#config;
    return {
      logs: new Map(this.#logs.map(({ config, api }) => [config.name, api])),
      status: this.status,
      reload: this.reload,
      metrics: metrics.enabled
        ? async () => (await this.#metrics?.render()) ?? { type: "text/plain", text: "" }
        : undefined,
      limiter: new RateLimiter(api.claimsPerSecond, () => performance.now()),
      decisions: this.#user?.decisions,
      insight: this.#insight,
      live: this.#live,
      diffs: this.#user?.diffs,
      signal: this.#stop.signal,
      onError: (err, target) => this.#dependencies.logger.error({ err, target }, "API request failed"),
    };
  }

  async #openPublicPages(): Promise<readonly Route[]> {
    const { dashboard, node } = this.#config;
    const { isOn, isOpen } = planDashboard(dashboard, node.listen);
    if (!isOn) return [];
    const options = { parts: this.#apiParts(), hosts: dashboard.hosts, isOpen };
    const { routes, app } = await openPublicPages(options);
    this.#stack.defer(async () => void (await app.close()));
    return routes;
  }

  async #openAdminListeners(): Promise<void> {
    const { api, node } = this.#config;
    const shared = { ...this.#apiParts(), maxBodyBytes: api.maxBody };
    const socket = { kind: "unix", path: node.adminSocket } as const;
    const mode = Number.parseInt(node.adminSocketMode, 8);
    await this.#openAdmin(socket, mode, { ...shared, authenticate: async () => "socket" });
    if (api.listen !== undefined) {
      const tokens = new TokenFile(api.tokensFile);
      const authenticate = async (header: string | undefined): Promise<string> =>
        (await tokens.authenticate(header)).id;
      await this.#openAdmin(api.listen, 0o660, { ...shared, authenticate });
    }
  }

  async #openAdmin(
    address: Config["node"]["listen"][number],
    socketMode: number,
    options: ApiOptions,
  ): Promise<void> {
    const { logger, inherited } = this.#dependencies;
    const app = await createApi(options);
    this.#stack.defer(async () => void (await app.close()));
    const listener = await openListener([address], {
      createServer: () => createAdminServer(app),
      graceMs: this.#config.node.shutdownGrace,
      inherited,
      socketMode,
      onError: (err) => logger.error({ err }, "admin listener cannot accept"),
    });
    this.#stack.use(listener);
    logger.info({ addresses: listener.addresses.map(formatAddress) }, "admin listener is open");
  }

  #startPublishing(): void {
    const { publish } = this.#config;
    const target = this.#logs.find(({ config, nixParts }) =>
      publish.log === undefined ? nixParts !== undefined : config.name === publish.log,
    );
    const running: Promise<void>[] = [];
    if (publish.enabled && target?.nixParts !== undefined) {
      running.push(...this.#publishing.run(target.config.name, target.nixParts, this.#stop.signal));
    }
    this.#stack.defer(async () => {
      this.#stop.abort();
      await Promise.all(running);
    });
  }

  #findProblem(): string | undefined {
    for (const { config, log } of this.#logs) {
      const { problem } = log.stats();
      if (problem !== undefined) return `log ${config.name}: ${problem.code}`;
    }
    return undefined;
  }
}

/**
 * Starts the daemon. When anything fails, what was started before is stopped again.
 * @throws TrustixError `STATE_LOCKED`, `KEY_UNUSABLE`, `LISTEN_FAILED`, and what opening a log throws
 */
export async function openDaemon(config: Config, dependencies: DaemonDependencies): Promise<Daemon> {
  await using stack = new AsyncDisposableStack();
  const composition = new Composition(config, dependencies, stack);
  try {
    await composition.start();
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new TrustixError("STORAGE_FAILED", `the daemon cannot start: ${message}`, { cause });
  }
  const running = stack.move();
  const { status, reload } = composition;
  return { status, reload, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
