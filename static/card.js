// One session as a card. It is built once and then updated in place, so that focus and selection survive every count.

import { Buttons } from "./actions.js";
import { el, fill, setText } from "./dom.js";
import { countdown, duration, hold, leaf, left, money, seats, when } from "./format.js";
import { isHeld, isOpen } from "./store.js";
import { Strip } from "./strip.js";

const TICKS = 3_600_000;
const STATUS = { scheduled: "Scheduled", active: "Live", ended: "Ended", cancelled: "Called off" };

/** What kind of session it is to this person, as [text, kind]. */
export function pills({ session, joined }) {
  const all = [[STATUS[session.status], session.status]];
  if (session.isExpert) all.push(["Your session", "mine"]);
  else if (isHeld(session)) all.push(["Waiting for payment", "warn"]);
  else if (session.isBooked && isOpen(session)) all.push([joined ? "You are in" : "Booked", "mine"]);
  return all;
}

/** "41 here now", the number first. */
export const here = ({ status, live }) => `${live.toLocaleString()} ${status === "active" ? "here now" : live ? "here early" : "here yet"}`;

export function meetingLine({ joined, meeting, session }) {
  const isWeb = meeting?.url?.startsWith("https://");
  if (!isWeb && !joined) return [];
  if (!isWeb) return [el("p", { class: "meeting" }, session.isExpert ? "You are in. Give the session a meeting link by editing it." : "You are in. This session has no meeting link.")];
  const attributes = { class: "button primary", href: meeting.url, target: "_blank", rel: "noopener noreferrer", "data-action": "meeting" };
  const secret = meeting.password ? el("span", {}, "Password ", el("code", {}, meeting.password)) : null;
  return [el("p", { class: "meeting" }, el("a", attributes, "Open the meeting ↗"), el("span", { class: "address" }, meeting.url.replace("https://", "")), secret)];
}

export class Card {
  constructor(id, act) {
    this.number = el("strong");
    this.unit = el("span");
    this.tile = el("p", { class: "tile", "aria-hidden": "true" }, this.number, this.unit);
    this.pills = el("p", { class: "pills" });
    this.title = el("a", { id: `title-${id}`, href: `#/sessions/${id}`, "data-field": "title" });
    this.time = el("time");
    this.meta = el("span");
    this.about = el("p", { class: "about" });
    this.countdown = el("span", { class: "ticking", "data-field": "countdown" });
    this.strip = new Strip();
    this.live = el("span", { class: "live", "data-field": "live" });
    this.seats = el("span", { "data-field": "seats" });
    this.hold = el("p", { class: "hold", "data-field": "hold", role: "timer", hidden: true });
    this.buttons = new Buttons(id, act, this.title);
    this.panel = el("div", { class: "panel", hidden: true });
    const room = el("p", { class: "seats" }, this.strip.node, this.live, this.seats);
    const body = el("div", { class: "body" }, this.pills, el("h3", {}, this.title), el("p", { class: "meta" }, this.time, this.meta), this.about, room, this.hold);
    const attributes = { class: "card", "data-session": id, "aria-labelledby": `title-${id}` };
    this.node = el("article", attributes, this.tile, body, this.buttons.node, this.buttons.note, this.panel);
  }

  update(entry, who, now) {
    const { session } = entry;
    this.entry = entry;
    this.node.dataset.status = session.status;
    this.node.classList.toggle("joined", entry.joined);
    const shown = pills(entry);
    fill(this.pills, JSON.stringify(shown), () => [...shown.map(([text, kind]) => el("span", { class: `pill ${kind}` }, text)), this.countdown]);
    setText(this.title, session.title);
    setText(this.time, when(session, new Date(now)));
    this.time.dateTime = session.startsAt;
    setText(this.meta, ` · ${[session.instructor, duration(session.durationMinutes), money(session.price)].join(" · ")}`);
    setText(this.about, session.description);
    this.live.hidden = !isOpen(session);
    setText(this.live, here(session));
    this.strip.update(session);
    setText(this.seats, isOpen(session) ? seats(session) : `${session.participants} booked`);
    this.buttons.update(entry, who);
    const line = [entry.joined, entry.joined && entry.meeting];
    fill(this.panel, JSON.stringify(line), () => (entry.joined ? meetingLine(entry) : []));
    this.panel.hidden = !this.panel.children.length;
    this.tick(now);
  }

  /** What goes on by the clock alone. */
  tick(now) {
    const { session, booking } = this.entry;
    this.countdown.hidden = session.status !== "scheduled";
    if (!this.countdown.hidden) setText(this.countdown, countdown(session, now));
    this.hold.hidden = booking?.status !== "pending" || !isHeld(session);
    if (!this.hold.hidden) setText(this.hold, hold(booking, now));
    this.showTile(session, now);
  }

  showTile({ status, startsAt, live, peakLive }, now) {
    const { day, month } = leaf(startsAt, now);
    const rest = Date.parse(startsAt) - now;
    const [number, unit] = {
      scheduled: [day, month],
      active: [String(live), "here now"],
      ended: [String(peakLive), "at the peak"],
      cancelled: [day, month],
    }[status];
    const isTicking = status === "scheduled" && rest > 0 && rest < TICKS;
    if (status === "active" && this.number.textContent !== number && this.number.textContent !== "") {
      this.number.getAnimations().forEach((move) => move.cancel());
      this.number.classList.remove("moved");
      requestAnimationFrame(() => this.number.classList.add("moved"));
    }
    this.tile.classList.toggle("ticks", isTicking);
    setText(this.number, isTicking ? left(rest) : number);
    setText(this.unit, isTicking ? "to the start" : unit);
  }
}
