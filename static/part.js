// What the expert's parts share: their frame with its loading, empty and failed states, and lists that stay small in the page.

import { el, setText } from "./dom.js";

const LONG = 10;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
const dated = new Intl.DateTimeFormat(undefined, day);
const datedByYear = new Intl.DateTimeFormat(undefined, { ...day, year: "numeric" });

/** An instant as the reader's own time, with its day when that is not today, and the year when it is not this one. */
export function moment(instant) {
  const date = new Date(instant);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return clock.format(date);
  return (date.getFullYear() === now.getFullYear() ? dated : datedByYear).format(date);
}

/** "45 s", "12 min", "1 h 5 min". */
export function lasted(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  return [minutes >= 60 && `${Math.floor(minutes / 60)} h`, minutes % 60 && `${minutes % 60} min`].filter(Boolean).join(" ");
}

/** Letters as they are looked for: without case, accents and what else is set on them. */
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** A section with a heading; `again` is what its button does when loading has failed. */
export class Part {
  constructor(name, title, again = null) {
    this.count = el("span", { class: "count", hidden: true });
    this.tools = el("div", { class: "tools" });
    this.content = el("div", { hidden: true });
    this.blank = el("p", { class: "blank" }, "Loading…");
    this.problem = el("span");
    this.alert = el("p", { class: "note", role: "alert", hidden: true }, this.problem, " ",
      again ? el("button", { type: "button", class: "link", onclick: again }, "Try again") : null);
    this.node = el("section", { class: "part", "data-part": name, "aria-labelledby": `part-${name}`, "aria-busy": "true" },
      el("header", {}, el("h2", { id: `part-${name}` }, title, " ", this.count), this.tools), this.alert, this.blank, this.content);
  }

  /** Something is there: `count` of it. */
  filled(count = null) {
    this.settle(null, true);
    this.count.hidden = count === null;
    if (count !== null) setText(this.count, count.toLocaleString());
  }

  /** Nothing is there, and this is why. */
  empty(why) {
    this.settle(why, false);
    this.count.hidden = true;
  }

  /** It could not be loaded, or (null) it could at last; what is shown already stays. */
  failed(why) {
    if (why) this.settle(null, !this.content.hidden);
    setText(this.problem, why ?? "");
    this.alert.hidden = !why;
  }

  settle(why, hasContent) {
    this.node.setAttribute("aria-busy", "false");
    this.blank.hidden = why === null;
    setText(this.blank, why ?? "");
    this.content.hidden = !hasContent;
  }
}

/** "51–100 of 2,000" between two buttons; `turn` is called with the page wanted, from 1. */
export class Pager {
  constructor(label, turn) {
    const button = (words, by) => el("button", { type: "button", class: "button plain", onclick: () => turn(this.page + by) }, words);
    this.back = button("Previous", -1);
    this.on = button("Next", 1);
    this.text = el("span", { role: "status" });
    this.node = el("nav", { class: "pager", "aria-label": label, hidden: true }, this.back, this.text, this.on);
  }

  show(page, size, total) {
    const hadFocus = this.node.contains(document.activeElement);
    this.page = page;
    this.node.hidden = total <= size;
    this.back.disabled = page <= 1;
    this.on.disabled = page * size >= total;
    const shown = [(page - 1) * size + 1, Math.min(page * size, total), total].map((number) => number.toLocaleString());
    setText(this.text, `${shown[0]}–${shown[1]} of ${shown[2]}`);
    if (hadFocus && !this.node.contains(document.activeElement)) (this.on.disabled ? this.back : this.on).focus();
  }
}

/** People in `place` (a list, or the body of a table), `size` of them at a time, to be found by name once they are many.
 *  `row` makes { node, update } of a person; rows stay as long as their person is on the page. */
export class Rows {
  constructor(place, label, size, row) {
    Object.assign(this, { place, size, row, items: [], page: 1, rows: new Map() });
    const again = () => {
      this.page = 1;
      this.render();
    };
    const words = { placeholder: "Find by name", "aria-label": `${label}: find by name`, autocomplete: "off" };
    this.search = el("input", { type: "search", ...words, hidden: true, oninput: again });
    this.none = el("p", { class: "blank", role: "status" });
    this.pager = new Pager(`${label}: pages`, (page) => {
      this.page = page;
      this.render();
    });
  }

  show(items) {
    this.items = items;
    this.render();
  }

  render() {
    const wanted = plain(this.search.value.trim());
    this.search.hidden = this.items.length <= LONG && !wanted;
    const found = wanted ? this.items.filter(({ name, id }) => plain(name).includes(wanted) || id === wanted) : this.items;
    this.page = Math.max(1, Math.min(this.page, Math.ceil(found.length / this.size)));
    this.place.hidden = found.length === 0;
    setText(this.none, wanted && found.length === 0 ? `Nobody here is called “${this.search.value.trim()}”.` : "");
    this.pager.show(this.page, this.size, found.length);
    this.fill(found.slice((this.page - 1) * this.size, this.page * this.size));
  }

  fill(people) {
    const shown = new Set(people.map(({ id }) => id));
    for (const [id, { node }] of this.rows) {
      if (shown.has(id)) continue;
      node.remove();
      this.rows.delete(id);
    }
    people.forEach((person, index) => {
      if (!this.rows.has(person.id)) this.rows.set(person.id, this.row(person));
      const { node, update } = this.rows.get(person.id);
      update(person);
      if (this.place.children[index] !== node) this.place.insertBefore(node, this.place.children[index] ?? null);
    });
  }
}
