// A builder, set up as its guide says: a Nix with the post-build hook, and a node that publishes what is built and serves
// the store.

import { eventually } from "../../e2e/node.ts";
import type { Nix } from "../../scripts/outside-tools/nix.ts";
import { runJson } from "./command-line.ts";
import { freePort, NodeProcess } from "./node-process.ts";

/** Who a builder is. */
interface BuilderFacts {
  /** Name of its operator. */
  readonly name: string;
  readonly nix: Nix;
  readonly node: NodeProcess;
  /** Root of its public listener, without a slash at the end. */
  readonly url: string;
  readonly vkey: string;
  /** The key that signs the narinfos of its cache. */
  readonly cacheKey: string;
}

/** How something is built. */
export interface BuildOptions {
  /** Ends the build. */
  readonly signal?: AbortSignal;
  /** Claims that it makes; default one for each attribute. */
  readonly claims?: number;
}

/** A running builder. Disposing stops its node. */
export class Builder implements AsyncDisposable {
  readonly name: string;
  readonly nix: Nix;
  readonly node: NodeProcess;
  readonly url: string;
  readonly vkey: string;
  readonly cacheKey: string;

  private constructor({ name, nix, node, url, vkey, cacheKey }: BuilderFacts) {
    this.name = name;
    this.nix = nix;
    this.node = node;
    this.url = url;
    this.vkey = vkey;
    this.cacheKey = cacheKey;
  }

  /** Makes the configuration in a new directory `home`, installs the hook and starts the node. */
  static async open(name: string, home: string, nix: Nix): Promise<Builder> {
    const address = `127.0.0.1:${await freePort()}`;
    const init = ["init", home, "--origin", `${name}.example.org`, "--listen", address, "--cache"];
    const {
      config,
      vkeys,
      cachePublicKey: cacheKey,
    } = (await runJson(...init)) as {
      config: string;
      vkeys: { nix: string };
      cachePublicKey: string;
    };
    const { nixConf } = (await runJson("hook", "install", "--config", config)) as { nixConf: string };
    const [setting, hook] = nixConf.split(" = ") as [string, string];
    await nix.configure({ [setting]: hook });
    const node = new NodeProcess(home, nix);
    await node.start();
    return new Builder({ name, nix, node, url: `http://${address}`, vkey: vkeys.nix, cacheKey });
  }

  /** Root of its cache. */
  get cacheUrl(): string {
    return `${this.url}/cache/`;
  }

  /**
   * Builds attributes of a Nix file, and returns once the claims on them are published.
   * @returns the store paths
   */
  async build(
    file: string,
    attributes: readonly string[],
    { signal, claims = attributes.length }: BuildOptions = {},
  ): Promise<readonly string[]> {
    const before = await this.claims();
    const args = ["--no-out-link", file, ...attributes.flatMap((attribute) => ["-A", attribute])];
    const built = await this.nix.run(
      "nix-build",
      args,
      signal === undefined ? { check: true } : { check: true, signal },
    );
    await eventually(
      () => this.claims(),
      (now) => now >= before + claims,
    );
    return built.stdout.trim().split("\n");
  }

  /** Claims that its log has published. */
  async claims(): Promise<number> {
    const { logs } = await this.node.status();
    return logs[0]?.publishedSize ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.stop();
  }
}
