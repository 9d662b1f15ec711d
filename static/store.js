// What the page knows of the sessions it shows. No DOM, no network: what comes in is merged, what is old is dropped.

const OWN = ["canJoin", "isExpert", "isBooked", "canEdit", "canStart", "canEnd"];

export const isOpen = (session) => session.status === "scheduled" || session.status === "active";
export const isFull = (session) => session.maxParticipants !== null && session.participants >= session.maxParticipants;
/** A seat that waits for its payment: taken, yet no way in. */
export const isHeld = (session) => session.isBooked && !session.canJoin && isOpen(session);

export class Store {
  constructor() {
    this.entries = new Map();
    this.shown = [];
  }

  get(id) {
    return this.entries.get(id);
  }

  list() {
    return this.shown.map((id) => this.entries.get(id));
  }

  joined() {
    return [...this.entries.values()].filter((entry) => entry.joined);
  }

  /** These are shown now, beside those the person is in and, with `keepOver`, those that ended under the reader's eyes. */
  show(rows, keepOver) {
    for (const row of rows) this.merge(row);
    const shown = new Set(rows.map((row) => row.id));
    for (const { joined, session } of this.entries.values()) {
      if (joined || (keepOver && !isOpen(session))) shown.add(session.id);
      if (!shown.has(session.id)) this.entries.delete(session.id);
    }
    this.shown = [...shown];
  }

  /** A session from REST, or from the catalog (without the caller's own members). */
  merge(view) {
    const entry = this.entries.get(view.id);
    if (!entry) {
      this.entries.set(view.id, { session: view, roster: null, joined: false, meeting: null, busy: null, note: null });
    } else if (view.revision >= entry.session.revision) {
      entry.session = { ...entry.session, ...view };
    } else {
      for (const name of OWN) if (name in view) entry.session[name] = view[name];
    }
    this.settle(view.id);
  }

  /** A `session` message: the whole public state. Answers whether it was newer. */
  state({ type, session: id, ...state }) {
    const session = this.entries.get(id)?.session;
    if (!session || state.revision <= session.revision) return false;
    Object.assign(session, state);
    session.endsAt = new Date(Date.parse(session.startsAt) + session.durationMinutes * 60_000).toISOString();
    this.settle(id);
    return true;
  }

  /** Nobody is in a session that is over. */
  settle(id) {
    const entry = this.entries.get(id);
    if (!isOpen(entry.session)) Object.assign(entry, { joined: false, meeting: null, roster: null });
  }

  enter(id, meeting) {
    Object.assign(this.entries.get(id) ?? {}, { joined: true, meeting });
  }

  exit(id) {
    const entry = this.entries.get(id);
    if (!entry) return;
    Object.assign(entry, { joined: false, meeting: null, roster: entry.session.isExpert ? entry.roster : null });
  }

  roster({ session, revision, participants }) {
    const entry = this.entries.get(session);
    if (!entry || (entry.roster && entry.roster.revision > revision)) return;
    entry.roster = { revision, people: new Map(participants.map((person) => [person.id, person])) };
  }

  /** A `presence` message. Answers false when one was missed: the roster must be asked for again. */
  presence({ session, revision, previous, joined, left }) {
    const entry = this.entries.get(session);
    if (!entry || (entry.roster && revision <= entry.roster.revision)) return true;
    if (entry.roster?.revision !== previous) return false;
    for (const { id } of left) entry.roster.people.delete(id);
    for (const person of joined) entry.roster.people.set(person.id, person);
    entry.roster.revision = revision;
    return true;
  }

  noRoster(id) {
    const entry = this.entries.get(id);
    if (entry) entry.roster = null;
  }

  /** A new connection: what it says counts, even if the hub began anew. */
  forgetRevisions() {
    for (const entry of this.entries.values()) {
      entry.session.revision = 0;
      entry.roster = null;
    }
  }

  /** Another person: what was the last one's own goes. */
  forgetPerson() {
    for (const entry of this.entries.values()) {
      Object.assign(entry, { joined: false, meeting: null, roster: null, busy: null, note: null });
      for (const name of OWN) entry.session[name] = false;
    }
  }
}
