// hub-client.js, its connection: one WebSocket after the other, and answers paired with what was asked.

import { understood } from "./hub-messages.js";

const FIRST_WAIT = 500;
const SOON = 4_000; // the hub holds its people for a grace, by default 10 s: whoever can be back in it must not sleep it away
const OF_OUTAGE = 0.4;
const LONGEST_WAIT = 30_000;
const LONGEST_DRAIN = 1_800; // s: half of the longest grace that a hub can have, over which it spreads those who come back
const STEADY_AFTER = 5_000;
const PING_EVERY = 25_000;
const PONG_WITHIN = 10_000;
const LOST = 1006; // RFC 6455 §7.4.1: the connection ended without a close
export const ANSWER_WITHIN = 15_000;
export const TOKEN_ENDED = 4401;

/** The hub's close codes: come back or not, and after how long a pause. Any other is a lost connection: come back. */
const CLOSES = {
  1009: { back: false, reason: "The hub refused a message as too large." },
  1012: { back: true },
  4008: { back: true },
  4400: { back: false, reason: "The hub did not understand this client." },
  [TOKEN_ENDED]: { back: true },
  4403: { back: false, reason: "The hub sent this client away." },
  4429: { back: true, pause: 10_000 },
};

/** Codes of what passes: to be tried again, no refusal. */
const PASSING = new Set(["unavailable", "rate_limited", "internal", "unreachable"]);

export class Refusal extends Error {
  constructor(message, code = "unreachable", session = null) {
    super(message);
    Object.assign(this, { name: "Refusal", code, session });
  }
}

/** Whether to try again: what passes, and what is no refusal at all, as an error of the caller's own `token`. */
export const passes = (error) => !(error instanceof Refusal) || PASSING.has(error.code);

/** Tell of what a caller's own function threw, and go on. */
export const report = (error) => (globalThis.reportError ?? console.error)(error);

/** Tell all listeners, of whom one may throw, or go, or come. */
export function tell(calls = [], detail) {
  for (const { listener } of [...calls]) {
    try {
      listener?.(detail);
    } catch (error) {
      report(error);
    }
  }
}

/** Full jitter in ms: anything from nothing to a ceiling that doubles with each try, up to `most`. */
export const jitter = (tries, most = LONGEST_WAIT) => Math.random() * Math.min(LONGEST_WAIT, most, FIRST_WAIT * 2 ** tries);

/** `on` is told: connection (its state), welcomed, message (what is no answer), closed (code, reason). */
export class Line {
  isOpen = false;
  connection = null;
  here = null; // another object for each connection: what was begun on one must not go on on the next
  #Socket;
  #on;
  #socket = null;
  #tries = 0;
  #lostAt = 0; // of the outage that these tries are about
  #lastId = 0;
  #waiting = new Map();
  #timer = 0; // until the welcome, the next try, or the end of a drain: one of them at a time
  #heart = 0;
  #openedAt = Infinity;
  #heardAt = 0;
  #due = 0;
  #isTold = false;
  #look = () => this.#lookedAt();

  constructor(url, Socket, on) {
    this.url = url;
    this.#Socket = Socket;
    this.#on = on;
    this.#connect();
    globalThis.addEventListener?.("online", this.#look);
    globalThis.document?.addEventListener("visibilitychange", this.#look);
  }

  /** A new socket at once. */
  restart() {
    this.#tries = 0;
    this.#connect();
  }

  close() {
    globalThis.removeEventListener?.("online", this.#look);
    globalThis.document?.removeEventListener("visibilitychange", this.#look);
    this.#letGo();
    this.#tell("stopped");
  }

  /** The hub has been told all that we want of it. */
  settled() {
    if (this.isOpen && this.connection.name !== "open") this.#tell("open");
  }

  isAt(here) {
    return this.isOpen && here === this.here;
  }

  /** Send without waiting; the message's id. */
  say(message) {
    this.#lastId += 1;
    if (this.isOpen) this.#socket.send(JSON.stringify({ ...message, id: this.#lastId }));
    return this.#lastId;
  }

  /** Send, and wait for the answer; rejects with a Refusal. */
  ask(message, within = ANSWER_WITHIN) {
    return new Promise((resolve, reject) => {
      const { session = null } = message;
      if (!this.isOpen) return reject(new Refusal("Not connected to the hub right now.", "unreachable", session));
      const id = this.say(message);
      const timer = setTimeout(() => this.#refuse(id, "The hub did not answer."), within);
      this.#waiting.set(id, { resolve, reject, session, timer });
    });
  }

  #connect() {
    this.#letGo();
    const socket = (this.#socket = this.#made());
    if (!socket) return this.#closed(LOST, "There was no WebSocket to be had.");
    socket.onmessage = ({ data }) => socket === this.#socket && this.#received(understood(data));
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#closed(code, reason);
    socket.onerror = () => {}; // a close follows; `ws` throws where nobody listens
    this.#timer = setTimeout(() => this.#closed(LOST, "The hub did not answer."), ANSWER_WITHIN);
    this.#tell("connecting");
  }

  /** A new socket; null where there is none this time. What is wrong at the first is told to who connects. */
  #made() {
    try {
      return new this.#Socket(this.url);
    } catch (error) {
      if (this.connection === null) throw error;
      report(error);
      return null;
    }
  }

  #tell(name, { retryAt = null, code = null, reason = null } = {}) {
    this.connection = Object.freeze({ name, retryAt, code, reason });
    this.#on.connection(this.connection);
  }

  #received(message) {
    this.#heardAt = Date.now();
    if (message === null) return;
    const { type, id } = message;
    if (type === "welcome") this.#welcomed();
    else if (type === "ok" || type === "pong") this.#take(id)?.resolve(message);
    else if (type === "drain") this.#drained(message.reconnectIn);
    else if (type !== "error" || !this.#refuse(id, message.message, message.code)) this.#on.message(message);
  }

  #welcomed() {
    if (this.isOpen) return;
    clearTimeout(this.#timer);
    this.isOpen = true;
    this.here = {};
    this.#openedAt = Date.now();
    this.#heart = setInterval(() => this.#ping(), PING_EVERY);
    this.#on.welcomed();
  }

  /** A network can die without a word: nothing heard since a ping tells. */
  #ping() {
    const { here } = this;
    const asked = Date.now();
    this.ask({ type: "ping" }, PONG_WITHIN).catch(() => {
      if (this.isAt(here) && this.#heardAt < asked) this.#closed(LOST, "The hub did not answer a ping.");
    });
  }

  /** Back online, or looked at again after a sleep: there may be a network now, or none any more under this socket. */
  #lookedAt() {
    if (globalThis.document?.hidden) return;
    const { name, retryAt } = this.connection;
    if (this.isOpen) this.#ping();
    else if (name === "waiting" && !(this.#isTold && Date.now() < retryAt)) this.#connect();
  }

  /** The hub restarts: come back when it says, also if it forgets to close. What no hub would say is not obeyed. */
  #drained(told) {
    const wait = Number.isFinite(told) && told >= 0 && told <= LONGEST_DRAIN ? told * 1000 : Math.random() * SOON;
    clearTimeout(this.#timer);
    this.#due = Date.now() + wait;
    this.#timer = setTimeout(() => this.restart(), wait);
  }

  #closed(code, reason) {
    const now = Date.now();
    const due = this.#due;
    if (now - this.#openedAt > STEADY_AFTER) this.#tries = 0;
    this.#letGo();
    this.#on.closed(code, reason);
    const { back, pause = 0, reason: ours = null } = CLOSES[code] ?? { back: true };
    if (!back) return this.#tell("stopped", { code, reason: reason || ours });
    this.#isTold = due > now || pause > 0;
    const retryAt = due > now && !pause ? due : now + pause + this.#wait(now);
    this.#timer = setTimeout(() => this.#connect(), retryAt - now);
    this.#tell("waiting", { retryAt, code, reason: reason || ours });
  }

  /** It doubles, but beyond a few seconds only as the outage grows. */
  #wait(now) {
    if (this.#tries === 0) this.#lostAt = now;
    return jitter(this.#tries++, Math.max(SOON, OF_OUTAGE * (now - this.#lostAt)));
  }

  #letGo() {
    const socket = this.#socket;
    this.#socket = null;
    this.isOpen = false;
    this.#openedAt = Infinity;
    this.#due = 0;
    clearInterval(this.#heart);
    clearTimeout(this.#timer);
    for (const id of [...this.#waiting.keys()]) this.#refuse(id, "The connection was lost before the hub answered.");
    socket?.close();
  }

  #take(id) {
    const asked = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(asked?.timer);
    return asked;
  }

  #refuse(id, message, code) {
    const asked = this.#take(id);
    asked?.reject(new Refusal(message, code, asked.session));
    return asked !== undefined;
  }
}
