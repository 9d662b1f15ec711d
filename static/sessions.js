// What the hub says of sessions, by REST and by its socket, and what a person asks of it: the store is what came of both.

import * as api from "./api.js";
import { inLocalTime } from "./format.js";
import { isHeld, isOpen, Store } from "./store.js";

const SPREAD = 1_500;
const ASK_EVERY = 60_000;
const HOUR = 3_600_000;
const SIGNED_OUT = new Set(["token_expired", "unauthenticated"]);
/** How many pages there may be: the hub lets a connection watch 500 sessions. */
const PAGES = 9;
const DONE = {
  book: (booking) => (booking.status === "pending" ? "Seat held. It is yours once it is paid." : "Seat booked."),
  cancelBooking: () => "Booking cancelled. The seat is free again.",
  start: () => "The session is live.",
  end: () => "The session has ended.",
  pay: ({ outcome }) => (outcome === "confirmed" ? "Paid. The seat is yours." : "The money came too late for the seat, and goes back."),
};

/** A seat without the meeting, which is shown from some minutes before the start. */
const waitsForDoors = ({ session, meeting, booking }, now) =>
  booking?.status === "confirmed" && !meeting && session.status === "scheduled" && Date.parse(session.startsAt) - now < HOUR;

export class Sessions {
  /** `on` = {changed, say, signedOut}. */
  constructor(on) {
    Object.assign(this, { hub: null, on, actor: null, run: 0, watched: new Map(), store: new Store() });
    this.wanted = { filter: "open", q: "", free: false, available: false, mine: false };
    this.list = { pages: 1, more: false, loading: true, failure: null };
    this.opened = { id: null };
  }

  /** From now on what is shown is seen live. */
  follow(hub) {
    this.hub = hub;
    hub.on("connection", (now) => this.connected(now));
    hub.on("roster", ({ session, people }) => this.changed(session, (entry) => Object.assign(entry, { roster: people })));
    hub.on("joined", ({ session, meeting }) => this.changed(session, () => this.store.enter(session, meeting)));
    hub.on("ejected", (out) => this.ejected(out));
    hub.on("missing", ({ session }) => session === this.opened.id && this.missing());
    hub.watchCatalog(({ session }) => this.catalogued(session));
    this.watchShown();
  }

  changed(id, how) {
    const entry = this.store.get(id);
    if (entry) how(entry);
    this.on.changed();
  }

  // The list.

  /** Load what the form says; `quiet` behind what is shown, which stays if that fails. */
  async load(quiet = false) {
    this.run += 1;
    const { run, list, wanted, actor } = this;
    list.loading ||= !quiet;
    this.on.changed();
    try {
      const pages = await Promise.all(Array.from({ length: list.pages }, (_, at) => api.sessions(wanted, at + 1, actor)));
      if (run !== this.run) return;
      this.store.show(pages.flatMap(({ rows }) => rows), quiet);
      Object.assign(list, { loading: false, failure: null, more: pages.at(-1).more, isLast: list.pages >= PAGES });
      this.watchShown();
      for (const { session, booking, id } of this.store.list()) if (isHeld(session) && !booking) this.refresh(id);
    } catch (problem) {
      if (run !== this.run) return;
      list.loading = false;
      if (this.isSignedOut(problem)) return;
      list.failure = quiet && this.store.shown.length ? null : problem.message;
    }
    this.on.changed();
  }

  /** Soon, but not all pages of all people at once. */
  loadSoon() {
    this.soon ??= setTimeout(() => {
      this.soon = null;
      this.load(true);
      if (this.opened.id !== null && !this.opened.missing) this.refresh(this.opened.id);
    }, Math.random() * SPREAD);
  }

  find(wanted) {
    Object.assign(this.wanted, wanted);
    this.list.pages = 1;
    return this.load();
  }

  more() {
    this.list.pages += 1;
    return this.load(true);
  }

  // One session.

  /** Look at this one by itself; null when nobody does any more. */
  async open(id) {
    Object.assign(this.opened, { id, missing: false, failure: null });
    this.store.open(id);
    this.watchShown();
    if (id !== null && (this.actor || !this.store.get(id))) await this.refresh(id);
  }

  /** What is known of one, anew: for who is signed in with their booking and, when allowed, the meeting. */
  async refresh(id) {
    const { actor, opened } = this;
    const isOpened = () => opened.id === id;
    try {
      const view = await (actor ? api.session(id, actor) : api.find(id));
      if (actor !== this.actor) return;
      if (!view) return isOpened() && this.missing();
      if (this.store.get(id) || isOpened()) this.store.merge(view);
      if (isOpened()) Object.assign(opened, { missing: false, failure: null });
      this.watchShown();
    } catch (problem) {
      if (actor !== this.actor || this.isSignedOut(problem)) return;
      if (problem.code === "not_found" && isOpened()) return this.missing();
      if (isOpened()) opened.failure = problem.message;
    }
    this.on.changed();
  }

  missing() {
    this.opened.missing = true;
    this.on.changed();
  }

  // The socket.

  watchShown() {
    if (!this.hub) return;
    const wanted = new Set(this.store.entries.keys());
    if (this.opened.id !== null) wanted.add(this.opened.id);
    for (const [id, stop] of this.watched) {
      if (wanted.has(id)) continue;
      stop();
      this.watched.delete(id);
    }
    for (const id of wanted) if (!this.watched.has(id)) this.watched.set(id, this.hub.watch(id, (state) => this.told(state)));
  }

  connected({ name }) {
    if (name !== "open") this.store.doubt();
    else this.loadSoon();
    this.on.changed();
  }

  told(state) {
    const entry = this.store.state(state);
    if (!entry) return;
    if (isHeld(entry.session)) this.loadSoon();
    this.on.changed();
  }

  /** A catalog message knows nothing of the caller: what is known is merged at once, the rest is asked for. */
  catalogued(session) {
    const isKnown = Boolean(this.store.get(session.id));
    if (isKnown) this.store.merge(session);
    if (session.id === this.opened.id) this.opened.missing = false;
    if (this.actor || !isKnown) this.loadSoon();
    this.on.changed();
  }

  ejected({ session, code, message }) {
    const entry = this.store.get(session);
    this.store.exit(session);
    const isExpected = !entry || entry.busy === "cancelBooking" || (code === "not_active" && !isOpen(entry.session));
    if (!isExpected) this.note(session, message);
    this.loadSoon();
    this.on.changed();
  }

  // Who asks, and what for.

  isSignedOut({ code }) {
    if (!this.actor || !SIGNED_OUT.has(code)) return false;
    this.on.signedOut("Your sign-in was not accepted.");
    return true;
  }

  /** Another person from now on. */
  become(actor) {
    this.actor = actor;
    this.store.forgetPerson();
    if (!actor) this.wanted.mine = false;
    this.hub?.signIn();
    if (this.opened.id !== null) this.refresh(this.opened.id);
    return this.load();
  }

  async act(name, id) {
    const entry = this.store.get(id);
    if (!entry || entry.busy) return;
    Object.assign(entry, { busy: name, note: null });
    this.on.changed();
    try {
      await (name === "join" ? this.join(entry) : name === "leave" ? this.leave(entry) : this.ask(name, entry));
    } catch (problem) {
      this.note(id, problem.message);
      if (problem.code !== "unreachable") await this.refresh(id);
    }
    entry.busy = null;
    this.on.changed();
  }

  async join({ id, session }) {
    if (!this.hub) throw new api.Refusal("Not connected yet. Try again in a moment.");
    await this.hub.join(id);
    this.on.say(`You are in: ${session.title}.`);
  }

  /** The sessions that this tab's person is in. */
  visits() {
    return [...this.store.entries.values()].filter(({ joined }) => joined).map(({ id }) => id);
  }

  /** Back into these after a reload; what can't be entered any more is left without a word. */
  async rejoin(ids) {
    const { actor } = this;
    await Promise.all(ids.map(async (id) => {
      try {
        const { meeting } = await this.hub.join(id);
        if (!this.store.get(id)) this.store.merge(await api.session(id, actor));
        if (actor === this.actor && this.hub.isIn(id)) this.store.enter(id, meeting);
      } catch {
        // it is over, or the seat is gone
      }
    }));
    if (ids.length) this.on.changed();
  }

  async leave({ id }) {
    await this.hub.leave(id);
    this.store.exit(id);
    this.on.say("You have left.");
    this.refresh(id);
  }

  async ask(name, { id, booking }) {
    const answer = await api[name](name === "pay" ? booking.id : id, this.actor);
    if ("revision" in answer) this.store.merge(answer);
    if (name === "cancelBooking") {
      this.store.get(id).heldUntil = null;
      if (this.hub?.isIn(id)) await this.hub.leave(id).catch(() => null); // the hub has shown them out already
      this.store.exit(id);
    }
    this.on.say(DONE[name](answer));
    await this.refresh(id);
  }

  /** Once a second: holds end by the clock, and with them what the buttons say; and doors open, when only the hub knows. */
  tick(now) {
    const entry = this.store.get(this.opened.id);
    if (entry && waitsForDoors(entry, now) && now - (this.askedAt ?? 0) > ASK_EVERY) {
      this.askedAt = now;
      this.refresh(entry.id);
    }
    for (const { id } of this.store.lapse(now)) {
      this.note(id, "Your seat was held for payment, and the time is over: it is free again.");
      this.refresh(id);
    }
  }

  note(id, text) {
    const told = inLocalTime(text);
    const entry = this.store.get(id);
    if (entry) entry.note = told;
    else this.on.say(told);
    this.on.changed();
  }
}
