// Who has booked, a page at a time.

import * as api from "./api.js";
import { el } from "./dom.js";
import { money } from "./format.js";
import { moment, Pager, Part } from "./part.js";

const WORDS = { confirmed: "Booked", pending: "Waiting for payment", cancelled: "Cancelled", expired: "Hold ran out" };
const COLUMNS = ["Name", "Status", "Price", "Since"];

const since = ({ status, createdAt, confirmedAt, cancelledAt, expiresAt }) => ({
  confirmed: moment(confirmedAt ?? createdAt),
  pending: `held until ${expiresAt && moment(expiresAt)}`,
  cancelled: moment(cancelledAt ?? createdAt),
  expired: moment(expiresAt ?? createdAt),
}[status]);

function row(booking) {
  const mark = el("span", { class: `pill ${booking.status === "confirmed" ? "mine" : ""}` }, WORDS[booking.status]);
  return el("tr", { "data-booking": booking.id, "data-status": booking.status }, el("th", { scope: "row" }, booking.student.name), el("td", {}, mark),
    el("td", {}, money(booking.price)), el("td", {}, since(booking)));
}

export class Bookings {
  constructor({ id, actor, again }) {
    Object.assign(this, { id, actor, page: 1 });
    this.part = new Part("bookings", "Bookings", again);
    this.body = el("tbody");
    this.pager = new Pager("Bookings: pages", (page) => {
      this.page = page;
      again();
    });
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))), this.body);
    this.part.content.append(el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Bookings table" }, table), this.pager.node);
    this.node = this.part.node;
  }

  /** Answers what went wrong, if anything. */
  async load() {
    const wanted = this.page;
    try {
      const { data, pagination } = await api.bookings(this.id, this.actor, wanted);
      if (wanted === this.page) this.show(data, pagination);
      return null;
    } catch (problem) {
      this.part.failed(problem.message);
      return problem;
    }
  }

  /** Whether nobody can book any more. */
  update(isOver) {
    this.isOver = isOver;
    if (this.total === 0) this.part.empty(isOver ? "Nobody booked." : "Nobody has booked yet.");
  }

  show(bookings, { page, limit, total }) {
    const key = JSON.stringify(bookings);
    if (this.shows !== key) this.body.replaceChildren(...bookings.map(row));
    this.shows = key;
    this.pager.show(page, limit, total);
    this.part.failed(null);
    this.total = total;
    if (total) this.part.filled(total);
    else this.update(this.isOver);
  }
}
