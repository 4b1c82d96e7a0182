// Packages by the names of their paths, as the node splits them, and where their paths are in the order of names.

/** The package of a path's name: up to the first dash that no letter follows. `hello-2.12.1-dev` is of `hello`. */
export function packageOf(name: string): string {
  const at = name.search(/-[^a-zA-Z]/);
  return at < 0 ? name : name.slice(0, at);
}

/**
 * What to search for, one after the other, to have all paths of a package: its name alone, which is the first name to
 * begin with it, and its versions, which come before all other names that begin with the package's and a dash: no
 * character but letters comes behind letters.
 */
export const searchesOf = (name: string): readonly string[] => [name, `${name}-`];

/** Whether paths of a package can still follow one with this name in the order of names. */
export function mayFollow(search: string, name: string): boolean {
  const [wanted, got] = [search.toLowerCase(), name.toLowerCase()];
  if (!search.endsWith("-")) return got <= wanted;
  return got.startsWith(wanted) && !/^[a-z]/.test(got.slice(wanted.length));
}
