// Who is here now, for the expert: everyone, the latest first, and since when.

import { el, setText } from "./dom.js";
import { initials } from "./format.js";
import { lasted, moment, Part, Rows } from "./part.js";

export class Present {
  constructor(actor) {
    const list = el("ul", { class: "people" });
    this.part = new Part("roster", "Here now");
    this.rows = new Rows(list, "Here now", 48, (person) => row(person, actor));
    this.part.tools.append(this.rows.search);
    this.part.content.append(list, this.rows.none, this.rows.pager.node);
    this.node = this.part.node;
  }

  /** `roster` is by id in order of arrival; null while it is not known: what was known last stays, a lost connection is no leave. */
  update(session, roster) {
    this.node.hidden = session.status === "ended" || session.status === "cancelled";
    if (this.node.hidden) return;
    if (roster?.size) {
      this.rows.show([...roster.values()].reverse());
      return this.part.filled(roster.size);
    }
    if (roster === null && session.live > 0 && this.rows.items.length) return;
    this.rows.show([]);
    const waiting = session.live > 0 ? "The list comes as soon as the hub is reached." : null;
    this.part.empty(waiting ?? "Nobody is here yet. People appear the moment they join.");
  }
}

function row(person, actor) {
  const since = el("time", { datetime: person.joinedAt });
  const name = person.id === actor.id ? `${person.name} (you)` : person.name;
  const node = el("li", { "data-person": person.id, class: person.role }, el("b", { "aria-hidden": "true" }, initials(person.name)),
    el("span", { class: "name" }, name, person.role === "expert" ? el("em", {}, " host") : null), since);
  const update = ({ joinedAt }) => setText(since, `since ${moment(joinedAt)}, ${lasted(Math.max(0, Date.now() - Date.parse(joinedAt)))}`);
  return { node, update };
}
