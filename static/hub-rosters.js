// hub-client.js, who is present: rosters, kept whole from what the hub tells of comings and goings.

const LOOK_AFTER = 2_000;

/** `follows` and `live` (a count, or undefined) answer for a session; `tell` gets what a `roster` event says. */
export class Rosters {
  #rosters = new Map(); // session → {revision, people}; the revision is null until the present connection told it
  #asked = new Set();
  #timer = 0;

  constructor(line, { follows, live, tell }) {
    Object.assign(this, { line, follows, live, tell });
  }

  get(session) {
    return this.#rosters.get(session)?.people ?? null;
  }

  /** A new connection: what is known stands until it is told anew. */
  begin() {
    this.rest();
    this.#asked.clear();
    for (const roster of this.#rosters.values()) roster.revision = null;
  }

  rest() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** A `roster` message. */
  came({ session, revision, participants }) {
    this.#asked.delete(session);
    const known = this.#rosters.get(session);
    if (!this.follows(session) || (known && revision < known.revision)) return;
    const people = new Map(participants.map((person) => [person.id, person]));
    this.#rosters.set(session, { revision, people });
    const before = known?.people ?? people;
    if (known && JSON.stringify([...before.values()]) === JSON.stringify(participants)) return;
    const joined = participants.filter(({ id }) => !before.has(id));
    const left = [...before.values()].filter(({ id }) => !people.has(id));
    this.tell({ session, people, joined, left });
  }

  /** A `presence` message: old ones are dropped; one that does not follow on what is known shows a gap. */
  changed({ session, revision, previous, joined, left }) {
    const known = this.#rosters.get(session);
    if (!this.follows(session) || (known && revision <= known.revision)) return;
    if (known?.revision !== previous) return this.#ask(session);
    const people = new Map(known.people);
    for (const { id } of [...left, ...joined]) people.delete(id); // who comes back comes last
    for (const person of joined) people.set(person.id, person);
    this.#rosters.set(session, { revision, people });
    const came = joined.filter(({ id }) => !known.people.has(id));
    const went = left.flatMap(({ id }) => known.people.get(id) ?? []);
    this.tell({ session, people, joined: came, left: went });
  }

  drop(session) {
    if (this.#rosters.delete(session)) this.tell({ session, people: null, joined: [], left: [] });
  }

  /** The hub falls silent where it shows a roster no longer: soon, what lies behind its count is asked for. */
  compare() {
    if (this.#timer === 0 && [...this.#rosters.keys()].some((session) => this.#isBehind(session))) {
      this.#timer = setTimeout(() => {
        this.#timer = 0;
        for (const session of this.#rosters.keys()) if (this.#isBehind(session)) this.#ask(session);
      }, LOOK_AFTER);
    }
  }

  #isBehind(session) {
    const { revision, people } = this.#rosters.get(session);
    const live = this.live(session);
    return revision === null || (live !== undefined && live !== people.size);
  }

  #ask(session) {
    if (this.#asked.has(session)) return;
    this.#asked.add(session);
    this.line.ask({ type: "roster", session }).catch(({ code }) => {
      this.#asked.delete(session); // also where it came: `ok` there is none
      if (code === "forbidden") this.drop(session);
    });
  }
}
