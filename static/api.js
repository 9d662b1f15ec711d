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

async function reached(path, request) {
  try {
    return await fetch(path, { ...request, cache: "no-store" });
  } catch {
    throw new Refusal("The hub can't be reached. Check your connection and try again.");
  }
}

async function call(method, path, token, body, more = {}) {
  const headers = { accept: "application/json", ...more };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await reached(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
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
export const edit = async (id, changes, version, actor) =>
  (await call("PATCH", `${BASE}/${id}`, actor.token, changes, { "if-match": `"${version}"` })).data;
export const cancel = act("DELETE", "");
export const session = async (id, actor) => (await call("GET", `${BASE}/${id}`, actor?.token)).data;
export const attendance = act("GET", "/attendance");
/** A page of bookings, from 1: {data, pagination}. */
export const bookings = (id, actor, page = 1) => call("GET", `${BASE}/${id}/bookings?limit=20&page=${page}`, actor.token);

/** The attendance as a file. */
export async function attendanceCsv(id, actor) {
  const answer = await reached(`${BASE}/${id}/attendance.csv`, { headers: { authorization: `Bearer ${actor.token}` } });
  if (answer.ok) return answer.blob();
  const { detail, code } = await answer.json().catch(() => ({}));
  throw new Refusal(detail ?? `The hub answered ${answer.status}.`, code);
}

/** The demo's sample people; null where there is no demo. */
export async function samplePeople() {
  try {
    return (await call("GET", "/demo/people")).data;
  } catch {
    return null;
  }
}
