// The outside programs our tests are held against, and the Debian packages they come from.

/** How one outside program (or a family that ships together) is put into its folder. */
export interface ToolRecipe {
  /** Debian suite the packages are resolved in; each suite is resolved alone, so libraries never mix. */
  readonly suite: "bookworm" | "trixie" | "sid";
  /** Packages to unpack, together with everything they depend on. */
  readonly packages: readonly string[];
  /** Commands to make launchers for, as globs below the unpacked root. */
  readonly commands: readonly string[];
  /** Packages in the closure, by name, that are not needed although they are depended on. */
  readonly without?: RegExp;
  /** Environment every launcher sets; `{root}` is the unpacked root, `{cache}` a private writable folder. */
  readonly env?: Readonly<Record<string, string>>;
  /** True when the tests pass without it: sid moves, so what comes from there may be missing for a day. */
  readonly optional: boolean;
}

/** What only matters to an installed system: no launcher of ours reaches it. */
const SYSTEM_ONLY =
  /^(perl.*|libperl.*|lib.*-perl|dpkg|tar|sysvinit-utils|lsb-base|debconf|readline-common|curl|libcurl4|libcurl4t64|gcc-\d+-base|init-system-helpers|adduser|passwd|base-files|iproute2|mount|login.*|libpam.*)$/;

const NIX = { packages: ["nix-bin"], commands: ["usr/bin/nix*"], without: SYSTEM_ONLY } as const;

/** Everything but what Tessera's fsck compiles: its closure holds whole cloud SDKs, 2 GB of them. */
const NOT_FOR_FSCK =
  /^(?!golang-(go|\d.*|golang-x-(crypto|mod|net|sync|sys|text|time|term)-dev|github-(transparency-dev|go-logr|cespare|avast|cenkalti|google-uuid|globocom|hashicorp-golang-lru)-.*|opentelemetry-otel-dev|k8s-klog.*|go\.opentelemetry.*)$|libc6$)/;

const GO_ENV = {
  GOROOT: "{root}/usr/lib/go",
  GOPATH: "{root}/usr/share/gocode",
  GOCACHE: "{cache}/go-build",
  GO111MODULE: "off",
  GOFLAGS: "",
  GOTOOLCHAIN: "local",
  CGO_ENABLED: "0",
} as const;

/** Every outside tool by name. The number in a Nix name is the release the suite had when it was chosen. */
export const TOOLS = {
  "nix-2.8": { ...NIX, suite: "bookworm", optional: false },
  "nix-2.26": { ...NIX, suite: "trixie", optional: false },
  "nix-2.34": { ...NIX, suite: "sid", optional: false },
  go: {
    suite: "bookworm",
    packages: ["golang-go", "golang-golang-x-mod-dev"],
    commands: ["usr/lib/go/bin/go"],
    without: SYSTEM_ONLY,
    env: GO_ENV,
    optional: false,
  },
  "go-tessera": {
    suite: "sid",
    packages: ["golang-go", "golang-github-transparency-dev-tessera-dev"],
    commands: ["usr/lib/go/bin/go"],
    without: NOT_FOR_FSCK,
    env: GO_ENV,
    optional: true,
  },
  torchwood: {
    suite: "sid",
    packages: ["torchwood"],
    commands: ["usr/bin/litewitness", "usr/bin/witnessctl", "usr/bin/litebastion"],
    without: SYSTEM_ONLY,
    optional: true,
  },
  bench: {
    suite: "bookworm",
    packages: ["nginx-light", "wrk", "strace"],
    commands: ["usr/sbin/nginx", "usr/bin/wrk", "usr/bin/strace"],
    without: SYSTEM_ONLY,
    optional: true,
  },
} as const satisfies Record<string, ToolRecipe>;

/** The name of an outside tool. */
export type ToolName = keyof typeof TOOLS;

/** All tool names, in the order they are fetched. */
export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[];
