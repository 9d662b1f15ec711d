// The hub's REST side, and what a refusal is on both sides.

const BASE = "/api/live-sessions";
const LIMIT = 100;

/** What the hub refused, or that it can't be reached; `code` is one of the contract's, `errors` are RFC 9457's. */
export class Refusal extends Error {
  constructor(detail, code = "unreachable", errors = []) {
    super(detail);
    Object.assign(this, { code, errors });
  }
}

async function call(method, path, token, body) {
  const headers = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Refusal("The hub can't be reached. Check your connection and try again.");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  throw new Refusal(content?.detail ?? `The hub answered ${answer.status}.`, content?.code, content?.errors);
}

/** Which sessions, by the page's filter: a hundred at most, a search finds the rest. */
export async function sessions({ filter, q }, actor) {
  const query = new URLSearchParams({ limit: LIMIT });
  const statuses = { live: ["active"], upcoming: ["scheduled"], past: ["ended", "cancelled"], all: ["scheduled", "active", "ended", "cancelled"] };
  if (q) query.set("q", q);
  for (const status of statuses[filter] ?? []) query.append("status", status);
  if (filter === "past" || filter === "all") query.set("sort", "-startsAt");
  return (await call("GET", `${BASE}?${query}`, actor?.token)).data;
}

const act = (method, tail) => async (id, actor) => (await call(method, `${BASE}/${id}${tail}`, actor.token)).data;

export const book = act("POST", "/book");
export const cancelBooking = act("DELETE", "/book");
export const start = act("PATCH", "/start");
export const end = act("PATCH", "/end");
export const create = async (session, actor) => (await call("POST", BASE, actor.token, session)).data;

/** The demo's sample people; null where there is no demo. */
export async function samplePeople() {
  try {
    return (await call("GET", "/demo/people")).data;
  } catch {
    return null;
  }
}
