// A network that a test plays by hand, and a clock that it turns: `WebSocket` is an option of the client.

import { mock } from "node:test";

/** Which client is under test: the real one, or a copy with one protection taken out. */
export const { connect, Refusal } = await import(process.env.HUB_CLIENT ?? new URL("../../static/hub-client.js", import.meta.url));

export const events = new EventTarget(); // Node has no global one
globalThis.addEventListener = events.addEventListener.bind(events);
globalThis.removeEventListener = events.removeEventListener.bind(events);

const NAMES = ["connection", "person", "session", "roster", "catalog", "missing", "joined", "ejected", "refused"];

/** Let every promise that can go on do so. */
export const settled = async () => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
};

/** Turn the clock, step by step, so that what a timer's promise leads to has its time too. */
export async function pass(ms, step = ms) {
  for (let left = ms; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left));
    await settled();
  }
}

/** A client on a scripted network. `hub` answers a message by messages; null: as a hub that agrees with everything. */
export function world({ hub = () => null, random = 0.5, welcome = true, ...options } = {}) {
  mock.timers.reset();
  mock.restoreAll();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  mock.method(Math, "random", () => random);
  const here = { sockets: [], told: [] };
  class Socket {
    sent = [];
    isClosed = false;

    constructor(url) {
      this.url = url;
      here.sockets.push(this);
      if (welcome) queueMicrotask(() => this.say({ type: "welcome", connection: "c", serverTime: "t", protocol: 1 }));
    }

    send(text) {
      const message = JSON.parse(text);
      this.sent.push(message);
      for (const answer of hub(message, this, here) ?? agree(message)) queueMicrotask(() => this.say(answer));
    }

    say(message) {
      if (!this.isClosed) this.onmessage({ data: JSON.stringify(message) });
    }

    end(code, reason = "") {
      this.isClosed = true;
      this.onclose({ code, reason });
    }

    close() {
      this.isClosed = true;
    }

    /** What was sent, as `type` and, where it has them, the sessions. */
    get said() {
      return this.sent.map(({ type, session, sessions, catalog }) => [type, session ?? sessions ?? (catalog && "catalog")].filter((part) => part !== undefined));
    }
  }
  const client = (here.client = connect({ url: "https://hub.example", WebSocket: Socket, ...options }));
  for (const name of NAMES) client.on(name, (detail) => here.told.push([name, detail]));
  here.of = (name) => here.told.filter(([told]) => told === name).map(([, detail]) => detail);
  Object.defineProperty(here, "socket", { get: () => here.sockets.at(-1) });
  return here;
}

export function agree({ type, id, session, token }) {
  if (type === "auth") return [{ type: "ok", id, user: token.split("/")[0], role: "student", expiresAt: token }];
  if (type === "join") return [{ type: "ok", id, participant: `visit-${session}`, meeting: null }];
  if (type === "ping") return [{ type: "pong", id }];
  if (type === "roster") return [];
  return [{ type: "ok", id, ...(type === "watch" && { missing: [] }) }];
}

export const refusal = ({ id }, code, message = "No.") => [{ type: "error", id, code, message }];

export const state = (session, revision, more = {}) => ({
  type: "session", session, revision, status: "active", live: 0, peakLive: 0, participants: 0, maxParticipants: null,
  startsAt: "2026-01-01T00:00:00Z", startedAt: null, endedAt: null, ...more,
});

export const person = (id) => ({ id, name: id.toUpperCase(), role: "student", joinedAt: "2026-01-01T00:00:00Z" });

/** Numbers that look random and are the same each time (mulberry32's recurrence). */
export function dice(seed) {
  let at = seed;
  return (sides) => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}
