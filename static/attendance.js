// Who was there, for how long: the table, and its download.

import * as api from "./api.js";
import { el, setText } from "./dom.js";
import { lasted, moment, Part, Rows } from "./part.js";

const COLUMNS = ["Name", "Present", "Share", "Came", "Left", "Visits"];

function row(person) {
  const bar = el("i");
  const share = el("span");
  const cells = Object.fromEntries(["present", "came", "left", "visits"].map((name) => [name, el("td")]));
  const name = el("th", { scope: "row" }, person.name, person.role === "expert" ? el("em", {}, " host") : null);
  const node = el("tr", { "data-person": person.id }, name, cells.present,
    el("td", {}, el("span", { class: "meter", "aria-hidden": "true" }, bar), share), cells.came, cells.left, cells.visits);
  const update = ({ seconds, share: part, firstJoinedAt, lastLeftAt, visits }) => {
    setText(cells.present, lasted(seconds * 1000));
    bar.style.width = `${100 * part}%`;
    setText(share, `${Math.round(100 * part)} %`);
    setText(cells.came, moment(firstJoinedAt));
    setText(cells.left, lastLeftAt ? moment(lastLeftAt) : "still here");
    cells.left.classList.toggle("here", !lastLeftAt);
    setText(cells.visits, String(visits.length));
  };
  return { node, update };
}

export class Attendance {
  constructor({ id, actor, say, again }) {
    Object.assign(this, { id, actor, say });
    const body = el("tbody");
    this.part = new Part("attendance", "Attendance", again);
    this.rows = new Rows(body, "Attendance", 25, row);
    const download = { type: "button", class: "button plain", "data-action": "csv", hidden: true, onclick: () => this.download() };
    this.csv = el("button", download, "Download CSV");
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))), body);
    this.asOf = el("p", { class: "fine" });
    this.part.tools.append(this.rows.search, this.csv);
    this.part.content.append(el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Attendance table" }, table),
      this.rows.none, this.rows.pager.node, this.asOf);
    this.node = this.part.node;
  }

  show({ people, endedAt }, isOver) {
    this.csv.hidden = people.length === 0;
    this.rows.show(people);
    this.part.failed(null);
    if (!people.length) return this.part.empty(isOver ? "Nobody came." : "Nobody has been here yet. Whoever comes is listed with how long they stayed.");
    this.part.filled(people.length);
    setText(this.asOf, endedAt ? "Share is of the whole session." : `As of ${moment(Date.now())}. Share is of the session so far.`);
  }

  failed(why) {
    this.part.failed(why);
  }

  /** As a Blob: a token goes into a header, never into an address. */
  async download() {
    if (this.csv.getAttribute("aria-disabled")) return;
    this.csv.setAttribute("aria-disabled", "true");
    try {
      const address = URL.createObjectURL(await api.attendanceCsv(this.id, this.actor));
      const link = el("a", { href: address, download: `attendance-${this.id}.csv`, hidden: true });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser reads it after the click
      this.say("Attendance downloaded.");
    } catch (problem) {
      this.part.failed(problem.message);
    } finally {
      this.csv.removeAttribute("aria-disabled");
    }
  }
}
