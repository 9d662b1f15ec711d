// hub-client.js, what is followed: sessions and the catalog, asked for anew on each connection, and the states told.

import { tell } from "./hub-line.js";
import { checkId, checkListener } from "./hub-options.js";

const WATCH_AT_ONCE = 100;
const WATCHES = 500;

/** `on` is asked isWanted (session), and told: tell (event, detail), isOver, isGone (session), failed (here). */
export class Watching {
  #line;
  #on;
  #calls = new Map(); // session → the calls of `watch` that follow it
  #catalog = new Set();
  #states = new Map();
  #told = new Set(); // of which sessions the present connection told a state
  #sent = new Set(); // which ones it was asked to watch
  #isCatalogSent = false;
  #isReady = false;
  #isGathering = false;

  constructor(line, on) {
    this.#line = line;
    this.#on = on;
  }

  state(session) {
    return this.#states.get(session);
  }

  follows(session) {
    return this.#calls.has(session) || this.#on.isWanted(session);
  }

  add(session, listener) {
    const ids = new Set(typeof session === "object" && session !== null ? session : [session]);
    ids.forEach(checkId);
    if (listener !== undefined) checkListener(listener);
    if (new Set([...this.#calls.keys(), ...ids]).size > WATCHES) {
      throw new RangeError(`One connection may watch ${WATCHES} sessions at most.`);
    }
    const call = { listener };
    for (const id of ids) this.#calls.set(id, (this.#calls.get(id) ?? new Set()).add(call));
    this.gather();
    queueMicrotask(() => {
      for (const state of [...ids].flatMap((id) => this.#states.get(id) ?? [])) tell([call], state);
    });
    return () => {
      call.listener = undefined; // also where it is being told
      for (const id of ids) {
        const calls = this.#calls.get(id);
        if (calls?.delete(call) && calls.size === 0) this.#calls.delete(id);
      }
      this.gather();
    };
  }

  addCatalog(listener) {
    if (listener !== undefined) checkListener(listener);
    const call = { listener };
    this.#catalog.add(call);
    this.gather();
    return () => {
      call.listener = undefined;
      this.#catalog.delete(call);
      this.gather();
    };
  }

  /** A new connection: it is asked for nothing yet, and what is known stands until it tells. */
  begin() {
    this.#told.clear();
    this.#sent.clear();
    this.#isCatalogSent = this.#isReady = false;
  }

  /** What is asked for in one turn goes out as one message. */
  gather() {
    if (this.#isGathering) return;
    this.#isGathering = true;
    queueMicrotask(() => {
      this.#isGathering = false;
      for (const id of [...this.#states.keys()]) if (!this.follows(id)) this.#forget(id);
      if (this.#line.isOpen && this.#isReady) this.subscribe();
    });
  }

  /** Ask the hub for what it was not asked for yet, and no longer for what nobody follows. */
  subscribe() {
    this.#isReady = true;
    const gone = [...this.#sent].filter((id) => !this.#calls.has(id));
    const fresh = [...this.#calls.keys()].filter((id) => !this.#sent.has(id));
    for (const sessions of batches(gone)) this.#line.say({ type: "unwatch", sessions });
    for (const id of gone) this.#sent.delete(id);
    const asked = batches(fresh).map((sessions) => this.#watch(sessions));
    const wasSent = this.#isCatalogSent;
    this.#isCatalogSent = this.#catalog.size > 0;
    if (this.#isCatalogSent && !wasSent) asked.push(this.#ask({ catalog: true }, () => (this.#isCatalogSent = false)));
    if (wasSent && !this.#isCatalogSent) this.#line.say({ type: "unwatch", catalog: true });
    return Promise.all(asked);
  }

  async #watch(sessions) {
    for (const id of sessions) this.#sent.add(id);
    const answer = await this.#ask({ sessions }, () => sessions.forEach((id) => this.#sent.delete(id)));
    for (const session of answer?.missing ?? []) {
      this.#forget(session);
      if (this.#calls.has(session)) this.#on.tell("missing", { session });
    }
  }

  /** Watch; if that does not succeed, `undo` notes it, and it is tried again. */
  async #ask(what, undo) {
    const { here } = this.#line;
    try {
      return await this.#line.ask({ type: "watch", ...what });
    } catch {
      if (!this.#line.isAt(here)) return;
      undo();
      this.#on.failed(here);
    }
  }

  #forget(session) {
    this.#states.delete(session);
    this.#told.delete(session);
    this.#on.isGone(session);
  }

  /** A `session` message: newer than what is known, or the first on this connection, as a database may begin anew. */
  came({ type, ...state }) {
    const { session, revision, status } = state;
    const known = this.#states.get(session);
    if (!this.follows(session)) return;
    if (known && this.#told.has(session) && revision <= known.revision) return;
    this.#told.add(session);
    if (JSON.stringify(known) !== JSON.stringify(state)) {
      this.#states.set(session, Object.freeze(state));
      this.#on.tell("session", state);
      tell(this.#calls.get(session), state);
    }
    if (status === "ended" || status === "cancelled") this.#on.isOver(session);
  }

  catalogCame(change) {
    if (this.#catalog.size > 0) this.#on.tell("catalog", change);
    tell(this.#catalog, change);
  }
}

function batches(ids) {
  const starts = Array.from({ length: Math.ceil(ids.length / WATCH_AT_ONCE) }, (_, index) => index * WATCH_AT_ONCE);
  return starts.map((start) => ids.slice(start, start + WATCH_AT_ONCE));
}
