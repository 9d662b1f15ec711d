// The hub's REST side, and what a refusal is on both sides.

const BASE = "/api/live-sessions";
const FIND = 10;
const OPEN = ["scheduled", "active"];
const STATUSES = { open: OPEN, live: ["active"], upcoming: ["scheduled"], past: ["ended", "cancelled"], all: [...OPEN, "ended", "cancelled"] };

/** How many sessions a page of the list has. */
export const PAGE = 50;

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

/** A page of sessions, from 1, by what the list's form says: {rows, more}. The first one is asked for by index.html already. */
export async function sessions(wanted, page, actor) {
  if (wanted.mine && actor?.role === "student") return booked(wanted, page, actor);
  const { filter, q } = wanted;
  const query = new URLSearchParams({ limit: PAGE, page });
  if (q) query.set("q", q);
  if (filter !== "open" || wanted.mine) for (const status of STATUSES[filter]) query.append("status", status);
  if (filter === "past" || filter === "all") query.set("sort", "-startsAt");
  for (const name of ["free", "available"]) if (wanted[name]) query.set(name, "true");
  const path = wanted.mine && actor ? `${BASE}/expert/my-sessions` : BASE;
  const { data, pagination } = await call("GET", `${path}?${query}`, actor?.token);
  return { rows: data, more: pagination.totalPages > page };
}

/** The same of a student's own bookings, which the hub lists without filters. */
async function booked({ filter, q, free, available }, page, actor) {
  const { data, pagination } = await call("GET", `${BASE}/student/my-bookings?limit=${PAGE}&page=${page}`, actor.token);
  const words = q.toLowerCase();
  const isWanted = (session) =>
    STATUSES[filter].includes(session.status) && (!free || session.isFree) &&
    (!available || session.maxParticipants === null || session.participants < session.maxParticipants) &&
    [session.title, session.description, session.instructor].some((text) => text.toLowerCase().includes(words));
  const live = data.filter(({ status }) => status === "pending" || status === "confirmed");
  const rows = live.map(({ session, ...booking }) => ({ ...session, booking })).filter(isWanted);
  return { rows, more: pagination.totalPages > page };
}

/** One session for somebody who is not signed in, null if there is none. Ids grow in the order of creation, and nothing is
 *  erased: the list in that order has it at the place of its id, or before where ids were skipped. */
export async function find(id) {
  const query = new URLSearchParams({ sort: "createdAt", limit: FIND });
  for (const status of STATUSES.all) query.append("status", status);
  let [first, last] = [1, Math.ceil(id / FIND)];
  let page = last;
  while (first <= last) {
    query.set("page", page);
    const { data, pagination } = await call("GET", `${BASE}?${query}`);
    const found = data.find((session) => session.id === id);
    if (found) return found;
    if (data.length && data.at(-1).id < id) first = page + 1;
    else last = Math.min(page - 1, pagination.totalPages);
    page = data.length ? Math.floor((first + last) / 2) : last; // behind the end: the last page knows whether it can be there
  }
  return null;
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

/** The demo's payment of one's own booking. */
export const pay = async (booking, actor) => (await call("POST", "/demo/pay", actor.token, { booking })).data;

/** The demo's sample people; nobody while it can't be reached. */
export async function samplePeople() {
  try {
    return (await call("GET", "/demo/people")).data;
  } catch {
    return [];
  }
}
