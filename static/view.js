// The page around the cards: groups, empty, loading and error states, the connection and the notices.

import { Card } from "./card.js";
import { byId, el, setText } from "./dom.js";

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

export class View {
  constructor(on) {
    this.on = on;
    this.cards = new Map();
    this.groups = GROUPS.map(([label, statuses, order]) => {
      const list = el("div", { class: "cards" });
      const count = el("span", { class: "count" });
      const section = el("section", { class: "group", "aria-label": label, hidden: true }, el("h2", {}, label, " ", count), list);
      byId("groups").append(section);
      return { statuses, order, list, count, section };
    });
    byId("again").addEventListener("click", on.again);
    byId("retry").addEventListener("click", on.retry);
  }

  render(state, entries, now = new Date()) {
    const focused = document.activeElement;
    this.dropCards(entries);
    for (const group of this.groups) this.fill(group, entries, state.actor, now);
    if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.summary(entries, state);
    byId("skeleton").hidden = !state.loading || entries.length > 0;
    byId("groups").setAttribute("aria-busy", String(state.loading));
    this.state(state, entries);
  }

  dropCards(entries) {
    const ids = new Set(entries.map((entry) => entry.session.id));
    for (const [id, card] of this.cards) {
      if (ids.has(id)) continue;
      card.node.remove();
      this.cards.delete(id);
    }
  }

  fill({ statuses, order, list, count, section }, entries, actor, now) {
    const mine = entries.filter((entry) => statuses.includes(entry.session.status)).sort(order);
    mine.forEach((entry, index) => {
      const card = this.card(entry.session.id);
      card.update(entry, actor, now);
      if (list.children[index] !== card.node) list.insertBefore(card.node, list.children[index] ?? null);
    });
    section.hidden = mine.length === 0;
    setText(count, String(mine.length));
  }

  card(id) {
    if (!this.cards.has(id)) this.cards.set(id, new Card(id, this.on.act));
    return this.cards.get(id);
  }

  focusOn(id) {
    const card = this.cards.get(id);
    card?.node.scrollIntoView({ block: "center" });
    card?.title.focus({ preventScroll: true });
  }

  summary(entries, { loading }) {
    const live = entries.filter((entry) => entry.session.status === "active");
    const people = live.reduce((sum, entry) => sum + entry.session.live, 0);
    const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
    const told = live.length
      ? `${count(people, "person", "people")} in ${count(live.length, "live session", "live sessions")}`
      : "Nobody is live here right now";
    setText(byId("summary"), loading && !entries.length ? "Looking around…" : told);
  }

  /** Why nothing is shown: it failed, or there is nothing. */
  state({ loading, failure, q, filter }, entries) {
    byId("state").hidden = !failure && (loading || entries.length > 0);
    const nothing = q
      ? [`Nothing found for “${q}”`, "Try another word, or another filter."]
      : (EMPTY[filter] ?? ["No sessions yet", "They appear here as soon as an expert creates one."]);
    const [title, text] = failure ? ["The sessions could not be loaded", failure] : nothing;
    setText(byId("state-title"), title);
    setText(byId("state-text"), text);
    byId("again").hidden = !failure;
  }

  connection({ name, retryAt, reason }) {
    const wait = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
    const words = { connecting: "Connecting…", open: "Live", waiting: wait > 1 ? `Offline, back in ${wait} s` : "Reconnecting…", stopped: "Stopped" };
    byId("connection").dataset.state = name;
    setText(byId("connection-text"), words[name]);
    byId("connection").title = reason ?? "The connection to the hub";
    byId("retry").hidden = name !== "stopped" && !(name === "waiting" && wait > 1);
  }

  /** A short notice, also read aloud. */
  say(text) {
    const box = byId("notice");
    box.textContent = text;
    box.classList.add("shown");
    clearTimeout(this.fading);
    this.fading = setTimeout(() => box.classList.remove("shown"), 5_000);
  }
}
