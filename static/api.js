// The hub's REST side. Every refusal is a Problem (RFC 9457), also when the hub can't be reached.

const BASE = "/api/live-sessions";

export class Problem extends Error {
  constructor({ detail, code = "unreachable", status = 0, errors = [] }) {
    super(detail);
    this.code = code;
    this.status = status;
    this.errors = errors;
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
    throw new Problem({ detail: "The hub can't be reached. Check your connection and try again." });
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  throw new Problem(content?.code ? content : { detail: `The hub answered ${answer.status}.`, status: answer.status });
}

/** Which sessions, by the page's filter: `{rows, total}`. */
export async function sessions({ filter, q, limit }, actor) {
  const query = new URLSearchParams({ limit });
  const statuses = { live: ["active"], upcoming: ["scheduled"], past: ["ended", "cancelled"], all: ["scheduled", "active", "ended", "cancelled"] };
  if (filter === "mine" && actor?.role === "student") return bookings(q, actor);
  if (q) query.set("q", q);
  for (const status of statuses[filter] ?? []) query.append("status", status);
  if (filter === "past" || filter === "all" || filter === "mine") query.set("sort", "-startsAt");
  const path = filter === "mine" && actor ? `${BASE}/expert/my-sessions` : BASE;
  const { data, pagination } = await call("GET", `${path}?${query}`, actor?.token);
  return { rows: data, total: pagination.total };
}

/** The hub lists every booking there was; those that hold a seat are what a student calls theirs. */
async function bookings(q, actor) {
  const { data } = await call("GET", `${BASE}/student/my-bookings?limit=100`, actor.token);
  const mine = data.filter(({ status }) => status === "confirmed" || status === "pending").map(({ session }) => session);
  const rows = mine.filter((row) => `${row.title} ${row.description} ${row.instructor}`.toLowerCase().includes(q.toLowerCase()));
  return { rows, total: rows.length };
}

const act = (method, tail) => async (id, actor) => (await call(method, `${BASE}/${id}${tail}`, actor.token)).data;

export const book = act("POST", "/book");
export const cancelBooking = act("DELETE", "/book");
export const start = act("PATCH", "/start");
export const end = act("PATCH", "/end");
export const callOff = act("DELETE", "");
export const create = async (session, actor) => (await call("POST", BASE, actor.token, session)).data;

/** The demo's sample people; null where there is no demo. */
export async function samplePeople() {
  try {
    return (await call("GET", "/demo/people")).data;
  } catch {
    return null;
  }
}
