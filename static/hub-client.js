// A client of the Live Session Hub for any page or program: one WebSocket that comes back by itself. Plain ES module,
// no dependency. What callers may rely on stands at its types, in hub-client.d.ts.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const STEADY_AFTER = 5_000;
const PING_EVERY = 25_000;
const PONG_WITHIN = 10_000;
const ANSWER_WITHIN = 15_000;
const FRESH_TOKEN = 60_000; // the hub warns so long before an end, so of a token that is shorter at once
const LOOK_AFTER = 2_000;
const WATCH_AT_ONCE = 100;
const WATCHES = 500;
const LARGEST_ID = 2 ** 31 - 1;

const LOST = 1006; // RFC 6455 §7.4.1: the connection ended without a close
const TOKEN_ENDED = 4401;
/** Close codes of the hub: come back or not. Any other is a lost connection, and comes back. */
const CLOSES = {
  1009: { back: false, reason: "The hub refused a message as too large." },
  1012: { back: true },
  4008: { back: true },
  4400: { back: false, reason: "The hub did not understand this client." },
  [TOKEN_ENDED]: { back: true },
  4403: { back: false, reason: "The hub sent this client away." },
  4429: { back: true, pause: 10_000 },
};
const PASSING = new Set(["unavailable", "rate_limited", "internal", "unreachable"]); // to be tried again, not a refusal
const EVENTS = ["connection", "person", "session", "roster", "catalog", "missing", "joined", "ejected", "refused"];

export class Refusal extends Error {
  constructor(message, code = "unreachable", session = null) {
    super(message);
    Object.assign(this, { name: "Refusal", code, session });
  }
}

export function connect(options = {}) {
  return new Hub(options);
}

/** Full jitter: anything from nothing to a ceiling that doubles with each try. */
const jitter = (tries) => Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const report = (error) => (globalThis.reportError ?? console.error)(error);

/** One socket after the other, and answers paired with what was asked. `on`: welcomed, message, closed, connection. */
class Line {
  isOpen = false;
  connection = null;
  #socket = null;
  #tries = 0;
  #lastId = 0;
  #due = 0;
  #told = false;
  #waiting = new Map();

  constructor(url, Socket, on) {
    Object.assign(this, { url, Socket, on });
    this.look = () => this.#look();
    globalThis.addEventListener?.("online", this.look);
    globalThis.document?.addEventListener("visibilitychange", this.look);
    this.connect();
  }

  connect() {
    this.#letGo();
    this.tell("connecting");
    const socket = (this.#socket = new this.Socket(this.url));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#received(JSON.parse(data));
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#closed(code, reason);
    socket.onerror = () => {}; // a close follows; `ws` throws where nobody listens
    this.timer = setTimeout(() => this.#closed(LOST), ANSWER_WITHIN);
  }

  restart() {
    this.#tries = 0;
    this.connect();
  }

  retry() {
    const { name, code } = this.connection;
    if (name === "waiting" || (name === "stopped" && code !== null)) this.restart();
  }

  close() {
    this.#letGo();
    globalThis.removeEventListener?.("online", this.look);
    globalThis.document?.removeEventListener("visibilitychange", this.look);
    this.tell("stopped");
  }

  /** The hub knows all that we want of it. */
  settled() {
    if (this.isOpen && this.connection.name !== "open") this.tell("open");
  }

  tell(name, { retryAt = null, code = null, reason = null } = {}) {
    this.connection = Object.freeze({ name, retryAt, code, reason });
    this.on.connection(this.connection);
  }

  /** Send; the message's id. */
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
      const late = () => this.#refuse(id, "The hub did not answer.");
      this.#waiting.set(id, { resolve, reject, session, timer: setTimeout(late, within) });
    });
  }

  #received(message) {
    this.heardAt = Date.now();
    if (message.type === "welcome") this.#welcomed();
    else if (message.type === "ok" || message.type === "pong") this.#take(message.id)?.resolve(message);
    else if (message.type === "drain") this.#drained(message.reconnectIn * 1000);
    else if (message.type !== "error" || !this.#refuse(message.id, message.message, message.code)) this.on.message(message);
  }

  #welcomed() {
    clearTimeout(this.timer);
    this.isOpen = true;
    this.openedAt = Date.now();
    this.heart = setInterval(() => this.#ping(), PING_EVERY);
    this.on.welcomed();
  }

  /** A network can die without a word: nothing heard since a ping tells. */
  async #ping() {
    const [socket, asked] = [this.#socket, Date.now()];
    await this.ask({ type: "ping" }, PONG_WITHIN).catch(() => {
      if (socket === this.#socket && this.heardAt < asked) this.#closed(LOST, "The hub did not answer a ping.");
    });
  }

  /** Back online, or looked at again after a sleep: there may be a network now, or none that holds this socket. */
  #look() {
    if (globalThis.document?.hidden) return;
    if (this.isOpen) this.#ping();
    else if (this.connection.name === "waiting" && !(this.#told && Date.now() < this.connection.retryAt)) this.connect();
  }

  /** The hub restarts: come back when it says, also if it forgets to close. */
  #drained(wait) {
    this.#due = Date.now() + wait;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.restart(), wait);
  }

  #closed(code, reason = "") {
    const [now, due] = [Date.now(), this.#due];
    if (this.openedAt && now - this.openedAt > STEADY_AFTER) this.#tries = 0;
    this.#letGo();
    const { back, pause = 0, reason: ours } = CLOSES[code] ?? { back: true };
    this.on.closed(code, reason);
    if (!back) return this.tell("stopped", { code, reason: reason || ours });
    this.#told = due > now || pause > 0;
    const retryAt = due > now && !pause ? due : now + pause + jitter(this.#tries++);
    this.timer = setTimeout(() => this.connect(), retryAt - now);
    this.tell("waiting", { retryAt, code, reason: reason || null });
  }

  #letGo() {
    const socket = this.#socket;
    this.#socket = this.openedAt = null;
    this.isOpen = false;
    this.#due = 0;
    clearInterval(this.heart);
    clearTimeout(this.timer);
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
    return asked;
  }
}

class Hub {
  #token;
  #line;
  #person = null;
  #here = {}; // what is so on the present socket alone
  #bad = null; // the token that was refused last, and how
  #givenUp = false;
  #watching = new Map(); // session → the `watch` calls that follow it
  #catalog = new Set();
  #visits = new Map(); // session → {in, here}: where we are, or want to be
  #states = new Map();
  #rosters = new Map();
  #listeners = Object.fromEntries(EVENTS.map((name) => [name, new Set()]));
  #flushing = false;

  constructor(options) {
    const { url, token, Socket } = checked(options);
    this.#token = token;
    this.#line = new Line(url, Socket, {
      connection: (now) => this.#emit("connection", now),
      welcomed: () => this.#welcomed(),
      message: (message) => this.#received(message),
      closed: (code, reason) => this.#closed(code, reason),
    });
  }

  get connection() {
    return this.#line.connection;
  }

  get person() {
    return this.#person;
  }

  watch(session, listener) {
    const ids = new Set(typeof session === "object" && session !== null ? session : [session]);
    ids.forEach(checkId);
    if (listener !== undefined) checkListener(listener);
    if (new Set([...this.#watching.keys(), ...ids]).size > WATCHES) {
      throw new RangeError(`One connection may watch ${WATCHES} sessions at most.`);
    }
    const call = { listener };
    for (const id of ids) this.#watching.set(id, (this.#watching.get(id) ?? new Set()).add(call));
    this.#soon();
    if (listener) queueMicrotask(() => ids.forEach((id) => this.#tellKnown(id, call)));
    return () => {
      for (const id of ids) {
        const calls = this.#watching.get(id);
        if (calls?.delete(call) && calls.size === 0) this.#watching.delete(id);
      }
      this.#soon();
    };
  }

  watchCatalog(listener) {
    if (listener !== undefined) checkListener(listener);
    const call = { listener };
    this.#catalog.add(call);
    this.#soon();
    return () => {
      this.#catalog.delete(call);
      this.#soon();
    };
  }

  async join(session) {
    checkId(session);
    const visit = this.#visits.get(session) ?? { in: false };
    this.#visits.set(session, visit);
    try {
      await this.#untilOpen(session);
      if (this.#visits.get(session) !== visit) throw new Refusal("You left before the hub had let you in.", "unreachable", session);
      visit.here = this.#here;
      const { participant, meeting } = await this.#line.ask({ type: "join", session });
      if (this.#visits.get(session) === visit && !visit.in) {
        visit.in = true;
        this.#emit("joined", { session, participant, meeting, again: false });
      }
      return { participant, meeting };
    } catch (refusal) {
      if (!visit.in && this.#visits.get(session) === visit) this.#exit(session);
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
      if (refusal.code === "unreachable") return; // the hub ends a visit whose socket is gone
      if (visit.in && !this.#visits.has(session)) this.#visits.set(session, visit);
      throw refusal;
    }
  }

  state(session) {
    return this.#states.get(session);
  }

  roster(session) {
    return this.#rosters.get(session)?.people ?? null;
  }

  isIn(session) {
    return this.#visits.get(session)?.in ?? false;
  }

  on(event, listener) {
    if (!EVENTS.includes(event)) throw new TypeError(`There is no event "${event}": it must be one of ${EVENTS.join(", ")}.`);
    checkListener(listener);
    const call = { listener };
    this.#listeners[event].add(call);
    return () => void this.#listeners[event].delete(call);
  }

  retry() {
    this.#line.retry();
  }

  signIn() {
    if (this.#stopped) return;
    this.#leaveAll();
    this.#bad = null;
    this.#givenUp = false;
    this.#line.restart();
  }

  close() {
    if (this.#stopped) return;
    this.#leaveAll();
    this.#clear();
    this.#line.close();
  }

  get #stopped() {
    return this.connection.name === "stopped" && this.connection.code === null;
  }

  // Listeners.

  #emit(event, detail) {
    this.#call(this.#listeners[event], detail);
  }

  #call(calls, detail) {
    for (const { listener } of [...(calls ?? [])]) {
      try {
        listener?.(detail);
      } catch (error) {
        report(error);
      }
    }
  }

  #tellKnown(id, call) {
    if (this.#watching.get(id)?.has(call) && this.#states.has(id)) this.#call([call], this.#states.get(id));
  }

  #untilOpen(session) {
    return new Promise((resolve, reject) => {
      const done = (how, value) => {
        off();
        clearTimeout(timer);
        how(value);
      };
      const no = () => done(reject, new Refusal("Not connected to the hub. Try again in a moment.", "unreachable", session));
      const look = ({ name }) => (name === "open" ? done(resolve) : name === "stopped" && no());
      const timer = setTimeout(no, ANSWER_WITHIN);
      const off = this.on("connection", look);
      look(this.connection);
    });
  }

  // A new socket: who we are, then where we are, then what we follow.

  #clear() {
    for (const timer of [this.again, this.renewal, this.looking]) clearTimeout(timer);
    this.looking = null;
  }

  #welcomed() {
    this.#clear();
    this.#here = { ready: false, known: !this.#token || this.#givenUp, tries: 0, told: new Set(), sent: new Set(), asking: new Set() };
    for (const roster of this.#rosters.values()) roster.revision = null;
    this.#sync();
  }

  async #sync() {
    const here = this.#here;
    if (!here.known) await this.#identify(here);
    if (!this.#is(here)) return;
    here.ready = true;
    const visits = here.known ? [...this.#visits].filter(([, visit]) => visit.in && visit.here !== here) : [];
    await Promise.all([...visits.map(([session, visit]) => this.#rejoin(session, visit)), this.#subscribe()]);
    if (!this.#is(here)) return;
    if (this.#rosters.size) this.#lookSoon();
    this.#line.settled();
  }

  #is(here) {
    return here === this.#here && this.#line.isOpen;
  }

  #again(here) {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.#is(here) && this.#sync(), jitter(here.tries++));
  }

  /** Say who we are. What passes is tried again; a second refusal, or no other token, makes us a watcher. */
  async #identify(here) {
    while (this.#is(here)) {
      try {
        const token = await this.#askToken();
        if (!this.#is(here)) return;
        if (this.#bad && (token === null || token === this.#bad.token)) return this.#giveUp(here, this.#bad.refusal);
        if (token === null) return this.#be(here, null);
        here.token = token;
        here.authAt = Date.now();
        this.#be(here, await this.#line.ask({ type: "auth", token }));
        this.#bad = null;
        return;
      } catch (refusal) {
        if (!this.#is(here)) return;
        if (!(refusal instanceof Refusal)) report(refusal);
        if (!(refusal instanceof Refusal) || PASSING.has(refusal.code)) return this.#again(here);
        if (this.#bad) return this.#giveUp(here, refusal);
        this.#bad = { token: here.token, refusal };
      }
    }
  }

  async #askToken() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Refusal("`token()` did not answer.")), ANSWER_WITHIN);
    });
    try {
      const token = (await Promise.race([late, (async () => this.#token())()])) ?? null;
      if (token !== null && typeof token !== "string") throw new TypeError("`token` must answer a string, or null for a watcher.");
      return token;
    } finally {
      clearTimeout(timer);
    }
  }

  #be(here, answer) {
    here.known = true;
    const before = this.#person;
    const person = answer && { user: answer.user, role: answer.role, expiresAt: answer.expiresAt };
    if (before && person && (before.user !== person.user || before.role !== person.role)) {
      this.#ejectAll(new Refusal("Another person is signed in now.", "forbidden"));
    }
    this.#person = person;
    if (!same(before, person)) this.#emit("person", person);
  }

  #giveUp(here, refusal) {
    this.#givenUp = true;
    this.#bad = null;
    this.#be(here, null);
    this.#ejectAll(refusal);
    this.#emit("refused", refusal);
  }

  #closed(code, reason) {
    if (code !== TOKEN_ENDED || !this.#here.token) return;
    const refusal = new Refusal(reason || "The token ended.", "token_expired");
    this.#bad = { token: this.#here.token, refusal };
  }

  /** The token ends. One that is short from the start is renewed at half its time, or renewing would never rest. */
  #expiring(seconds) {
    const here = this.#here;
    const left = seconds * 1000;
    Object.assign(here, { endsAt: Date.now() + left, renewals: 0 });
    this.#renewIn(here, Date.now() - here.authAt < FRESH_TOKEN ? left / 2 : 0);
  }

  #renewIn(here, wait) {
    clearTimeout(this.renewal);
    this.renewal = setTimeout(() => this.#renew(here), wait);
  }

  async #renew(here) {
    try {
      const token = this.#is(here) ? await this.#askToken() : null;
      if (!this.#is(here)) return;
      if (token !== null && token !== here.token) {
        here.authAt = Date.now();
        const answer = await this.#line.ask({ type: "auth", token });
        here.token = token;
        return this.#be(here, answer);
      }
    } catch (refusal) {
      if (!this.#is(here)) return;
      if (refusal.code === "forbidden") return this.#line.restart(); // another person: a socket of their own
      if (!(refusal instanceof Refusal)) report(refusal);
    }
    const left = here.endsAt - Date.now();
    if (left > 0) this.#renewIn(here, Math.min(jitter(here.renewals++), left / 2) + FIRST_WAIT / 2);
  }

  // Where we are.

  async #rejoin(session, visit) {
    const here = (visit.here = this.#here);
    try {
      const { participant, meeting } = await this.#line.ask({ type: "join", session });
      if (this.#visits.get(session) === visit) this.#emit("joined", { session, participant, meeting, again: true });
    } catch (refusal) {
      if (!this.#is(here) || this.#visits.get(session) !== visit) return;
      if (!PASSING.has(refusal.code)) return this.#eject(session, refusal);
      visit.here = null;
      this.#again(here);
    }
  }

  #exit(session) {
    this.#visits.delete(session);
    this.#dropRoster(session);
    this.#soon();
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

  // What we follow.

  #follows(session) {
    return this.#watching.has(session) || this.#visits.has(session);
  }

  /** What is asked for in one turn goes out in one message. */
  #soon() {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      for (const id of [...this.#states.keys()]) if (!this.#follows(id)) this.#forget(id);
      if (this.#is(this.#here) && this.#here.ready) this.#subscribe();
    });
  }

  async #subscribe() {
    const here = this.#here;
    const gone = [...here.sent].filter((id) => !this.#watching.has(id));
    const fresh = [...this.#watching.keys()].filter((id) => !here.sent.has(id));
    const catalog = this.#catalog.size > 0;
    for (const sessions of batches(gone)) this.#line.say({ type: "unwatch", sessions });
    for (const id of gone) here.sent.delete(id);
    const asked = batches(fresh).map((sessions) => this.#watch(here, sessions));
    if (catalog && !here.catalog) asked.push(this.#watchCatalog(here));
    if (!catalog && here.catalog) this.#line.say({ type: "unwatch", catalog: true });
    here.catalog = catalog;
    await Promise.all(asked);
  }

  async #watch(here, sessions) {
    for (const id of sessions) here.sent.add(id);
    try {
      const { missing = [] } = await this.#line.ask({ type: "watch", sessions });
      for (const session of missing.filter((id) => this.#watching.has(id))) {
        this.#states.delete(session);
        this.#emit("missing", { session });
      }
    } catch (refusal) {
      if (!this.#is(here)) return;
      for (const id of sessions) here.sent.delete(id);
      this.#again(here);
    }
  }

  async #watchCatalog(here) {
    try {
      await this.#line.ask({ type: "watch", catalog: true });
    } catch {
      here.catalog = false;
      if (this.#is(here)) this.#again(here);
    }
  }

  #forget(session) {
    this.#states.delete(session);
    this.#here.told?.delete(session);
    this.#dropRoster(session);
  }

  // What the hub says.

  #received(message) {
    if (message.type === "session") this.#stateCame(message);
    else if (message.type === "roster") this.#rosterCame(message);
    else if (message.type === "presence") this.#presenceCame(message);
    else if (message.type === "expiring") this.#expiring(message.in);
    else if (message.type === "catalog" && this.#catalog.size) {
      const change = { session: message.session };
      this.#emit("catalog", change);
      this.#call(this.#catalog, change);
    } else if (message.type === "error" && message.session) this.#eject(message.session, message);
  }

  /** Newer than what we know, or the first of this connection: the hub's database may have begun anew. */
  #stateCame({ type, ...state }) {
    const { session } = state;
    const known = this.#states.get(session);
    const { told } = this.#here;
    if (!this.#follows(session) || (known && told.has(session) && state.revision <= known.revision)) return;
    told.add(session);
    if (!same(known, state)) {
      this.#states.set(session, Object.freeze(state));
      this.#emit("session", state);
      this.#call(this.#watching.get(session), state);
    }
    if (state.status === "ended" || state.status === "cancelled") {
      this.#eject(session, { code: "not_active", message: `The session is over: ${state.status}.` });
    }
    const people = this.roster(session);
    if (people && people.size !== state.live) this.#lookSoon();
  }

  #rosterCame({ session, revision, participants }) {
    this.#here.asking.delete(session);
    const known = this.#rosters.get(session);
    if (!this.#follows(session) || (known && revision < known.revision)) return;
    const before = known?.people ?? null;
    const people = new Map(participants.map((person) => [person.id, person]));
    this.#rosters.set(session, { revision, people });
    if (before && same([...before.values()], participants)) return void (this.#rosters.get(session).people = before);
    const joined = before ? participants.filter(({ id }) => !before.has(id)) : [];
    const left = before ? [...before.values()].filter(({ id }) => !people.has(id)) : [];
    this.#emit("roster", { session, people, joined, left });
  }

  #presenceCame({ session, revision, previous, joined, left }) {
    const known = this.#rosters.get(session);
    if (!this.#follows(session) || (known && revision <= known.revision)) return;
    if (known?.revision !== previous) return void this.#askRoster(session);
    const people = new Map(known.people);
    for (const { id } of left) people.delete(id);
    for (const { id } of joined) people.delete(id);
    for (const person of joined) people.set(person.id, person);
    this.#rosters.set(session, { revision, people });
    const came = joined.filter(({ id }) => !known.people.has(id));
    const went = left.map(({ id }) => known.people.get(id)).filter(Boolean);
    this.#emit("roster", { session, people, joined: came, left: went });
  }

  async #askRoster(session) {
    const { asking } = this.#here;
    if (asking.has(session)) return;
    asking.add(session);
    await this.#line.ask({ type: "roster", session }).catch(({ code }) => {
      asking.delete(session);
      if (code === "forbidden") this.#dropRoster(session);
    });
  }

  /** The hub does not say that it shows a roster no longer: one that stays behind the count is asked for. */
  #lookSoon() {
    this.looking ??= setTimeout(() => {
      this.looking = null;
      for (const [session, { revision, people }] of this.#rosters) {
        if (revision === null || this.#states.get(session)?.live !== people.size) this.#askRoster(session);
      }
    }, LOOK_AFTER);
  }

  #dropRoster(session) {
    if (this.#rosters.delete(session)) this.#emit("roster", { session, people: null, joined: [], left: [] });
  }
}

function batches(ids) {
  return Array.from({ length: Math.ceil(ids.length / WATCH_AT_ONCE) }, (_, at) => ids.slice(at * WATCH_AT_ONCE, (at + 1) * WATCH_AT_ONCE));
}

function checkId(id) {
  if (!Number.isInteger(id) || id < 1 || id > LARGEST_ID) throw new TypeError(`A session's id must be a whole number from 1, not ${String(id)}.`);
}

function checkListener(listener) {
  if (typeof listener !== "function") throw new TypeError("A listener must be a function.");
}

/** The options as we use them; whatever is wrong is told by a TypeError's sentence. */
function checked(options) {
  if (typeof options !== "object" || options === null) throw new TypeError("`connect` takes an object: {url, token, WebSocket}.");
  const { url, token = null, WebSocket: Socket = globalThis.WebSocket, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown) throw new TypeError(`There is no option "${unknown}": there are url, token and WebSocket.`);
  if (token !== null && typeof token !== "function") throw new TypeError("`token` must be a function that answers a token: a fresh one is asked for at each connect.");
  if (typeof Socket !== "function") throw new TypeError("There is no WebSocket here: give one as the option `WebSocket`.");
  return { url: endpoint(url ?? new URL("..", import.meta.url)), token, Socket };
}

function endpoint(given) {
  let url;
  try {
    url = new URL(given, globalThis.location?.href);
  } catch {
    throw new TypeError(`\`url\` must be an address such as https://hub.example, not ${String(given)}.`);
  }
  if (url.protocol === "file:") throw new TypeError("`url` is needed here: where the hub is, such as https://hub.example.");
  if (!/^(http|ws)s?:$/.test(url.protocol)) throw new TypeError(`\`url\` must begin with https:, http:, wss: or ws:, not ${url.protocol}`);
  if (url.search || url.hash || url.username || url.password) throw new TypeError("`url` must have no query, no fragment and no credentials: a token is what `token` is for.");
  url.protocol = url.protocol.replace("http", "ws");
  if (!url.pathname.endsWith("/ws")) url.pathname = `${url.pathname.replace(/\/$/, "")}/ws`;
  return url.href;
}
