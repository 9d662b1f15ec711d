// The page's addresses: what stands behind the #, so that back, forward, bookmarks and links work without the server.

const ROUTES = [
  ["list", /^\/?$/],
  ["one", /^\/sessions\/([1-9]\d{0,9})$/],
  ["edit", /^\/sessions\/([1-9]\d{0,9})\/edit$/],
  ["create", /^\/new$/],
];
const LARGEST_ID = 2 ** 31 - 1;

/** {name, id} of an address: list, one, edit, create, or lost. */
export function routeOf(hash) {
  const path = hash.replace(/^#/, "");
  for (const [name, pattern] of ROUTES) {
    const found = pattern.exec(path);
    const id = found?.[1] ? Number(found[1]) : null;
    if (found && (id ?? 0) <= LARGEST_ID) return { name, id };
  }
  return { name: "lost", id: null };
}
