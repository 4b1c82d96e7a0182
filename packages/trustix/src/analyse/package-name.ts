// The package that a store path is of.

/**
 * The name of the package in the name of a store path, as Nix splits it: up to the first dash that no letter follows.
 * `hello-2.12.1-dev` is of `hello`; a name without a version is the package's.
 */
export function packageOf(name: string): string {
  const at = name.search(/-[^a-zA-Z]/);
  return at < 0 ? name : name.slice(0, at);
}
