// What the page knows of sessions. No DOM, no network: what comes in is merged, what is old is dropped.

const OWN = ["canJoin", "isExpert", "isBooked", "canEdit", "canStart", "canEnd"];
const NOT_OURS = { roster: null, joined: false, meeting: null, booking: null, heldUntil: null, busy: null, note: null };

export const isOpen = (session) => session.status === "scheduled" || session.status === "active";
export const isFull = (session) => session.maxParticipants !== null && session.participants >= session.maxParticipants;
/** A seat that waits for its payment: taken, yet no way in. */
export const isHeld = (session) => session.isBooked && !session.canJoin && isOpen(session);

export class Store {
  constructor() {
    this.entries = new Map();
    this.shown = [];
    this.opened = null;
  }

  get(id) {
    return this.entries.get(id);
  }

  list() {
    return this.shown.map((id) => this.entries.get(id));
  }

  /** The list is these now, beside what the person is in and, with `keepOver`, what ended under the reader's eyes. */
  show(rows, keepOver) {
    for (const row of rows) this.merge(row);
    const shown = new Set(rows.map((row) => row.id));
    for (const id of this.shown) {
      const { joined, session } = this.entries.get(id);
      if (joined || (keepOver && !isOpen(session))) shown.add(id);
    }
    this.shown = [...shown];
    this.tidy();
  }

  /** This one is looked at by itself; null for none. */
  open(id) {
    this.opened = id;
    this.tidy();
  }

  tidy() {
    const shown = new Set(this.shown);
    for (const [id, { joined }] of this.entries) if (!joined && id !== this.opened && !shown.has(id)) this.entries.delete(id);
  }

  /** A session from REST (alone: with `booking` and `meeting`), or from the catalog (without the caller's own members). */
  merge({ booking, meeting, ...view }) {
    if (!this.entries.has(view.id)) this.entries.set(view.id, { ...NOT_OURS, id: view.id, session: view, stale: false });
    const entry = this.entries.get(view.id);
    const { session } = entry;
    if (view.revision >= session.revision || entry.stale) entry.session = { ...session, ...view };
    else for (const name of OWN) if (name in view) session[name] = view[name];
    if (booking !== undefined) entry.booking = booking;
    else if (view.isBooked === false) entry.booking = null;
    if (entry.booking) entry.heldUntil = entry.booking.status === "pending" ? Date.parse(entry.booking.expiresAt) : null;
    if (meeting !== undefined && !(entry.joined && meeting === null)) entry.meeting = meeting;
    entry.stale = false;
    this.settle(entry);
  }

  /** The whole public state, from the socket. Answers what is known of the session, null when that was newer. */
  state({ session: id, ...state }) {
    const entry = this.entries.get(id);
    if (!entry || (state.revision <= entry.session.revision && !entry.stale)) return null;
    entry.stale = false;
    const endsAt = new Date(Date.parse(state.startsAt) + entry.session.durationMinutes * 60_000).toISOString();
    entry.session = { ...entry.session, ...state, endsAt };
    this.settle(entry);
    return entry;
  }

  /** Nobody is in a session that is over. */
  settle(entry) {
    if (!isOpen(entry.session)) Object.assign(entry, { joined: false, meeting: null, roster: null });
  }

  enter(id, meeting) {
    Object.assign(this.entries.get(id) ?? {}, { joined: true, meeting, note: null });
  }

  exit(id) {
    const entry = this.entries.get(id);
    if (entry) Object.assign(entry, { joined: false, meeting: entry.session.isExpert ? entry.meeting : null });
  }

  /** Holds that have ended by now: their seats are gone, whatever the hub says of them later. */
  lapse(now) {
    const over = [...this.entries.values()].filter(({ heldUntil }) => heldUntil !== null && heldUntil <= now);
    for (const entry of over) {
      Object.assign(entry, { booking: null, heldUntil: null });
      Object.assign(entry.session, { isBooked: false, canJoin: !isFull(entry.session) });
    }
    return over;
  }

  /** The connection is gone: what the next one says counts, even if the hub began anew. */
  doubt() {
    for (const entry of this.entries.values()) entry.stale = true;
  }

  /** Another person: what was the last one's own goes. */
  forgetPerson() {
    for (const entry of this.entries.values()) {
      Object.assign(entry, NOT_OURS);
      for (const name of OWN) entry.session[name] = false;
    }
  }
}
