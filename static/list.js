// The sessions: what is looked for, the groups of cards, and why there is nothing when there is nothing.

import { Card } from "./card.js";
import { byId, el, setText } from "./dom.js";
import { isOpen } from "./store.js";

const starts = (entry) => Date.parse(entry.session.startsAt);
const soonest = (one, other) => starts(one) - starts(other);
const latest = (one, other) => starts(other) - starts(one);
const GROUPS = [
  ["Live now", ["active"], soonest],
  ["Coming up", ["scheduled"], soonest],
  ["Over", ["ended", "cancelled"], latest],
];
const EMPTY = {
  live: ["Nothing is live right now", "Sessions appear here the moment they start."],
  upcoming: ["Nothing is planned", "New sessions appear here by themselves."],
  past: ["No past sessions", "What has ended or was called off is kept here."],
};
const TYPING = 250;

export class List {
  /** `on` = {act, find, more, again}. */
  constructor(on) {
    Object.assign(this, { on, cards: new Map(), node: byId("list"), heading: byId("heading") });
    this.groups = GROUPS.map(([label, statuses, order], at) => {
      const list = el("div", { class: "cards" });
      const count = el("span", { class: "count" });
      const heading = el("h2", { id: `group-${at}` }, label, " ", count);
      const section = el("section", { class: "group", "aria-labelledby": heading.id, hidden: true }, heading, list);
      byId("groups").append(section);
      return { statuses, order, list, count, section };
    });
    const parts = ["find", "q", "mine", "mine-words", "summary", "found", "hint", "new", "groups", "skeleton", "state", "state-title", "state-text", "again", "more"];
    this.part = Object.fromEntries(parts.map((id) => [id, byId(id)]));
    this.listen();
  }

  get title() {
    return "Live sessions";
  }

  listen() {
    const { find, again, more } = this.part;
    find.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search(0);
    });
    find.addEventListener("input", (event) => this.search(event.target.type === "search" ? TYPING : 0));
    again.addEventListener("click", () => this.on.again());
    more.addEventListener("click", () => this.on.more());
  }

  search(wait) {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      const said = new FormData(this.part.find);
      const isOn = (name) => said.get(name) === "on";
      this.on.find({ filter: said.get("filter"), q: said.get("q").trim(), free: isOn("free"), available: isOn("available"), mine: isOn("mine") });
    }, wait);
  }

  update({ sessions, who, now }) {
    const { list, wanted, store } = sessions;
    const entries = store.list();
    const focused = document.activeElement;
    this.showPerson(who.actor, wanted);
    this.dropCards(entries);
    for (const group of this.groups) this.fill(group, entries, who, now);
    if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.summary(entries, list);
    this.part.skeleton.hidden = !list.loading || entries.length > 0;
    this.part.groups.setAttribute("aria-busy", String(list.loading));
    this.part.more.hidden = !list.more || list.isLast;
    this.state(list, wanted, entries);
  }

  /** The form says what the address did. */
  write(wanted) {
    const { find, q } = this.part;
    if (q.value.trim() !== wanted.q) q.value = wanted.q;
    for (const choice of find.elements.filter) choice.checked = choice.value === wanted.filter;
    for (const name of ["free", "available", "mine"]) find.elements[name].checked = wanted[name];
  }

  showPerson(actor, wanted) {
    const { hint, mine } = this.part;
    if (this.actor !== actor) mine.checked = Boolean(actor) && wanted.mine; // else as it was clicked: that is on its way
    this.actor = actor;
    hint.hidden = Boolean(actor);
    this.part.new.hidden = actor?.role !== "expert";
    mine.parentElement.hidden = !actor;
    setText(this.part["mine-words"], actor?.role === "expert" ? "My sessions" : "My bookings");
  }

  dropCards(entries) {
    const ids = new Set(entries.map(({ id }) => id));
    for (const [id, card] of this.cards) {
      if (ids.has(id)) continue;
      card.node.remove();
      this.cards.delete(id);
    }
  }

  fill({ statuses, order, list, count, section }, entries, who, now) {
    const mine = entries.filter((entry) => statuses.includes(entry.session.status)).sort(order);
    mine.forEach((entry, index) => {
      const card = this.card(entry.id);
      card.update(entry, who, now);
      if (list.children[index] !== card.node) list.insertBefore(card.node, list.children[index] ?? null);
    });
    section.hidden = mine.length === 0;
    setText(count, String(mine.length));
  }

  card(id) {
    if (!this.cards.has(id)) this.cards.set(id, new Card(id, this.on.act));
    return this.cards.get(id);
  }

  summary(entries, { loading, more }) {
    const live = entries.filter(({ session }) => session.status === "active");
    const people = live.reduce((sum, { session }) => sum + session.live, 0);
    const count = (number, one, many) => `${number.toLocaleString()} ${number === 1 ? one : many}`;
    const told = live.length
      ? `${count(people, "person", "people")} in ${count(live.length, "live session", "live sessions")} right now`
      : "Nobody is live here right now";
    setText(this.part.summary, loading && !entries.length ? "Looking around…" : told);
    if (!loading) setText(this.part.found, `${more ? "More than " : ""}${count(entries.length, "session", "sessions")} shown.`);
  }

  /** Why nothing is shown: it failed, or there is nothing. */
  state({ loading, failure }, wanted, entries) {
    const { state, again } = this.part;
    state.hidden = !failure && (loading || entries.length > 0);
    const [title, text] = failure ? ["The sessions could not be loaded", failure] : nothing(wanted);
    setText(this.part["state-title"], title);
    setText(this.part["state-text"], text);
    again.hidden = !failure;
  }

  /** Once a second: what goes on by the clock. */
  tick(now) {
    for (const card of this.cards.values()) if (isOpen(card.entry.session)) card.tick(now);
  }
}

function nothing({ q, filter, mine, free, available }) {
  if (q) return [`Nothing found for “${q}”`, "Try another word, or another filter."];
  if (mine) return ["Nothing of yours is here", "Book a seat or create a session, and it stands here. Or try another filter."];
  if (free || available) return ["No session is like that", "Take a filter away to see more."];
  return EMPTY[filter] ?? ["No sessions yet", "They appear here as soon as an expert creates one."];
}
