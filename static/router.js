// The page's addresses: what stands behind the #, so that back, forward, bookmarks and links work without the server.

const ROUTES = [
  ["list", /^\/?$/],
  ["one", /^\/sessions\/([1-9]\d{0,9})$/],
  ["edit", /^\/sessions\/([1-9]\d{0,9})\/edit$/],
  ["create", /^\/new$/],
];
const LARGEST_ID = 2 ** 31 - 1;
const FILTERS = ["open", "live", "upcoming", "past", "all"];
const KINDS = ["mine", "free", "available"];

/** {name, id, wanted} of an address: list, one, edit, create, or lost; `wanted` is what a list is asked for, null elsewhere. */
export function routeOf(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  for (const [name, pattern] of ROUTES) {
    const found = pattern.exec(path);
    const id = found?.[1] ? Number(found[1]) : null;
    if (found && (id ?? 0) <= LARGEST_ID) return { name, id, wanted: name === "list" ? wantedIn(new URLSearchParams(query)) : null };
  }
  return { name: "lost", id: null, wanted: null };
}

function wantedIn(query) {
  const filter = query.get("filter");
  const kinds = Object.fromEntries(KINDS.map((name) => [name, query.get(name) === "true"]));
  return { filter: FILTERS.includes(filter) ? filter : FILTERS[0], q: (query.get("q") ?? "").trim().slice(0, 200), ...kinds };
}

/** The address of a list; what everybody gets is not said in it. */
export function listAddress(wanted) {
  const query = new URLSearchParams();
  if (wanted.q) query.set("q", wanted.q);
  if (wanted.filter !== FILTERS[0]) query.set("filter", wanted.filter);
  for (const name of KINDS) if (wanted[name]) query.set(name, "true");
  return query.size ? `#/?${query}` : "#/";
}

export const isSameList = (one, other) => listAddress(one) === listAddress(other);
