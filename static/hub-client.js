// @ts-self-types="./hub-client.d.ts"
// A client of the Live Session Hub for any page or program: one WebSocket that comes back by itself. Plain ES modules,
// no dependency. What callers may rely on stands at its types, in hub-client.d.ts.

import { ANSWER_WITHIN, jitter, Line, passes, Refusal, report, tell } from "./hub-line.js";
import { checked, checkId, checkListener } from "./hub-options.js";
import { Person } from "./hub-person.js";
import { Rosters } from "./hub-rosters.js";
import { Watching } from "./hub-watching.js";

export { Refusal };

const EVENTS = ["connection", "person", "session", "roster", "catalog", "missing", "joined", "ejected", "refused"];

export function connect(options = {}) {
  return new Hub(checked(options));
}

class Hub {
  #line;
  #person;
  #rosters;
  #listeners = Object.fromEntries(EVENTS.map((name) => [name, new Set()]));
  #watching;
  #visits = new Map(); // session → {isIn, here}: where we are, or want to be
  #isKnown = false;
  #looks = new Set(); // of joins that wait for it
  #tries = 0;
  #again = 0;

  constructor({ url, token, Socket }) {
    this.#line = new Line(url, Socket, {
      connection: (now) => this.#emit("connection", now),
      welcomed: () => this.#welcomed(),
      message: (message) => this.#received(message),
      closed: (code, reason) => this.#person.closed(code, reason),
    });
    this.#person = new Person(token, this.#line, {
      person: (now) => this.#emit("person", now),
      another: (refusal) => this.#ejectAll(refusal),
      refused: (refusal) => {
        this.#ejectAll(refusal);
        this.#emit("refused", refusal);
      },
    });
    this.#rosters = new Rosters(this.#line, {
      follows: (session) => this.#watching.follows(session),
      live: (session) => this.#watching.state(session)?.live,
      tell: (change) => this.#emit("roster", change),
    });
    this.#watching = new Watching(this.#line, {
      isWanted: (session) => this.#visits.has(session),
      tell: (event, detail) => this.#emit(event, detail),
      isOver: (session) => this.#eject(session, { code: "not_active", message: "The session is over." }),
      isGone: (session) => this.#rosters.drop(session),
      failed: (here) => this.#tryAgain(here),
    });
  }

  get connection() {
    return this.#line.connection;
  }

  get person() {
    return this.#person.known;
  }

  watch(session, listener = undefined) {
    return this.#watching.add(session, listener);
  }

  watchCatalog(listener = undefined) {
    return this.#watching.addCatalog(listener);
  }

  async join(session) {
    checkId(session);
    const visit = this.#visits.get(session) ?? { isIn: false };
    const isOurs = () => this.#visits.get(session) === visit;
    this.#visits.set(session, visit);
    try {
      await this.#untilKnown(session);
      if (!isOurs()) throw new Refusal("You left before the hub had let you in.", "unreachable", session);
      visit.here = this.#line.here;
      const { participant, meeting } = await this.#line.ask({ type: "join", session });
      if (isOurs() && !visit.isIn) {
        visit.isIn = true;
        this.#emit("joined", { session, participant, meeting, again: false });
      }
      return { participant, meeting };
    } catch (refusal) {
      if (isOurs() && !visit.isIn) this.#exit(session);
      throw refusal;
    }
  }

  async leave(session) {
    checkId(session);
    const visit = this.#visits.get(session);
    if (!visit) return;
    this.#exit(session);
    try {
      await this.#line.ask({ type: "leave", session });
    } catch (refusal) {
      if (refusal.code === "unreachable") return; // the hub itself ends the visit of a socket that is gone
      if (visit.isIn && !this.#visits.has(session)) this.#visits.set(session, visit);
      throw refusal;
    }
  }

  state(session) {
    return this.#watching.state(session);
  }

  roster(session) {
    return this.#rosters.get(session);
  }

  isIn(session) {
    return this.#visits.get(session)?.isIn ?? false;
  }

  on(event, listener) {
    if (!EVENTS.includes(event)) throw new TypeError(`There is no event "${event}": there are ${EVENTS.join(", ")}.`);
    checkListener(listener);
    const call = { listener };
    this.#listeners[event].add(call);
    return () => {
      call.listener = undefined; // also where it is being told
      this.#listeners[event].delete(call);
    };
  }

  retry() {
    const { name, code } = this.connection;
    if (name === "waiting" || (name === "stopped" && code !== null)) this.#line.restart();
  }

  signIn() {
    if (this.#isClosed) return;
    this.#leaveAll();
    this.#person.anew();
    this.#line.restart();
  }

  close() {
    if (this.#isClosed) return;
    this.#leaveAll();
    this.#rest();
    this.#line.close();
  }

  get #isClosed() {
    return this.connection.name === "stopped" && this.connection.code === null;
  }

  #emit(event, detail) {
    tell(this.#listeners[event], detail);
  }

  /** Open, and who we are is settled: while `token()` fails we only watch. */
  #untilKnown(session) {
    return new Promise((resolve, reject) => {
      const done = (how, value) => {
        this.#looks.delete(look);
        off();
        clearTimeout(timer);
        how(value);
      };
      const away = new Refusal("Not connected to the hub, or not signed in yet. Try again in a moment.", "unreachable", session);
      const look = () => {
        const { name } = this.connection;
        if (name === "stopped") done(reject, away);
        else if (name === "open" && this.#isKnown) done(resolve);
      };
      const timer = setTimeout(done, ANSWER_WITHIN, reject, away);
      const off = this.on("connection", look);
      this.#looks.add(look);
      look();
    });
  }

  // A new socket: who we are, then where we are, then what we follow; open once the hub has answered it all.

  #rest() {
    clearTimeout(this.#again);
    this.#person.rest();
    this.#rosters.rest();
  }

  #welcomed() {
    this.#rest();
    this.#rosters.begin();
    this.#watching.begin();
    this.#isKnown = false;
    this.#tries = 0;
    this.#tellAll();
  }

  async #tellAll() {
    const { here } = this.#line;
    if (!this.#isKnown) await this.#identify(here);
    if (!this.#line.isAt(here)) return;
    const away = this.#isKnown ? [...this.#visits].filter(([, visit]) => visit.isIn && visit.here !== here) : [];
    await Promise.all([...away.map(([session, visit]) => this.#rejoin(session, visit)), this.#watching.subscribe()]);
    if (!this.#line.isAt(here)) return;
    this.#rosters.compare();
    this.#line.settled();
  }

  async #identify(here) {
    try {
      await this.#person.identify();
      if (!this.#line.isAt(here)) return; // of a socket that is gone: who we are on this one is not its affair
      this.#isKnown = true;
      for (const look of [...this.#looks]) look();
    } catch (error) {
      if (!(error instanceof Refusal)) report(error);
      this.#tryAgain(here);
    }
  }

  /** Something that passes was in the way: what is not settled is tried again. */
  #tryAgain(here) {
    if (!this.#line.isAt(here)) return;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#line.isAt(here) && this.#tellAll(), jitter(this.#tries++));
  }

  async #rejoin(session, visit) {
    const here = (visit.here = this.#line.here);
    try {
      const { participant, meeting } = await this.#line.ask({ type: "join", session });
      if (this.#visits.get(session) === visit) this.#emit("joined", { session, participant, meeting, again: true });
    } catch (refusal) {
      if (!this.#line.isAt(here) || this.#visits.get(session) !== visit) return;
      if (!passes(refusal)) return this.#eject(session, refusal);
      visit.here = null;
      this.#tryAgain(here);
    }
  }

  #exit(session) {
    this.#visits.delete(session);
    this.#rosters.drop(session);
    this.#watching.gather();
  }

  #eject(session, { code, message }) {
    if (!this.isIn(session)) return;
    this.#exit(session);
    this.#emit("ejected", { session, code, message });
  }

  #ejectAll(refusal) {
    for (const session of [...this.#visits.keys()]) this.#eject(session, refusal);
  }

  #leaveAll() {
    for (const session of [...this.#visits.keys()]) {
      this.#line.say({ type: "leave", session });
      this.#exit(session);
    }
  }

  // What the hub says.

  #received(message) {
    if (message.type === "session") {
      this.#watching.came(message);
      this.#rosters.compare();
    } else if (message.type === "roster") this.#rosters.came(message);
    else if (message.type === "presence") this.#rosters.changed(message);
    else if (message.type === "expiring") this.#person.expiring(message.in);
    else if (message.type === "error" && message.session) this.#eject(message.session, message);
    else if (message.type === "catalog") this.#watching.catalogCame({ session: message.session });
  }
}
