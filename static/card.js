// One session as a card. It is built once and then updated in place, so that focus and selection survive every count.

import { actions } from "./actions.js";
import { el, setText } from "./dom.js";
import { duration, fromNow, initials, leaf, money, seats, timeOfDay, when } from "./format.js";
import { isFull, isHeld, isOpen } from "./store.js";

const STATUS = { scheduled: "Scheduled", active: "Live", ended: "Ended", cancelled: "Cancelled" };
const FACES = 18;
const SURE_FOR = 4_000;

export class Card {
  constructor(id, act) {
    this.act = act;
    this.id = id;
    this.number = el("strong");
    this.unit = el("span");
    this.tile = el("p", { class: "tile" }, this.number, this.unit);
    this.pills = el("p", { class: "pills" });
    this.title = el("h3", { id: `title-${id}`, tabindex: "-1" });
    this.time = el("time");
    this.meta = el("span");
    this.about = el("p", { class: "about" });
    this.bar = el("i");
    this.meter = el("span", { class: "meter", "aria-hidden": "true" }, this.bar);
    this.seats = el("span");
    this.buttons = el("div", { class: "buttons" });
    this.note = el("p", { class: "note", role: "alert", hidden: true });
    this.panel = el("div", { class: "panel", hidden: true });
    this.node = el(
      "article",
      { class: "card", "aria-labelledby": `title-${id}` },
      this.tile,
      el("div", { class: "body" }, this.pills, this.title, el("p", { class: "meta" }, this.time, this.meta), this.about,
        el("p", { class: "seats" }, this.meter, this.seats)),
      this.buttons,
      this.note,
      this.panel,
    );
  }

  update(entry, actor, now) {
    const { session } = entry;
    this.node.dataset.status = session.status;
    this.node.classList.toggle("joined", entry.joined);
    this.showTile(session);
    this.showPills(entry);
    setText(this.title, session.title);
    setText(this.time, when(session, now));
    this.time.dateTime = session.startsAt;
    setText(this.meta, ` · ${[session.instructor, duration(session.durationMinutes), money(session.price)].join(" · ")}`);
    setText(this.about, session.description);
    this.showSeats(session);
    this.showButtons(entry, actor);
    this.note.hidden = !entry.note;
    setText(this.note, entry.note ?? "");
    this.showPanel(entry, actor);
  }

  showTile(session) {
    const { day, month } = leaf(session.startsAt);
    const [number, unit] = {
      scheduled: [day, `${month} · ${timeOfDay(session.startsAt)}`],
      active: [String(session.live), "live now"],
      ended: [String(session.peakLive), "at the peak"],
      cancelled: [day, month],
    }[session.status];
    if (this.number.textContent !== number) {
      this.number.classList.remove("moved");
      if (this.number.textContent !== "" && session.status === "active") requestAnimationFrame(() => this.number.classList.add("moved"));
    }
    setText(this.number, number);
    setText(this.unit, unit);
  }

  showPills({ session, joined }) {
    const start = session.status === "scheduled" ? fromNow(session.startsAt, new Date()) : null;
    const pills = [[STATUS[session.status], session.status]];
    if (start) pills.push([`${start === "now" || new Date(session.startsAt) > new Date() ? "Starts" : "Was due"} ${start}`, "hint"]);
    if (session.status === "active" && session.peakLive > 0) pills.push([`Peak ${session.peakLive}`, "hint"]);
    if (session.status === "scheduled" && session.live > 0) pills.push([`${session.live} waiting inside`, "hint"]);
    if (session.isExpert) pills.push(["Your session", "mine"]);
    else if (isHeld(session)) pills.push(["Seat held, waiting for payment", "mine"]);
    else if (session.isBooked && isOpen(session)) pills.push([joined ? "You are in" : "Booked", "mine"]);
    this.replace(this.pills, JSON.stringify(pills), () => pills.map(([text, kind]) => el("span", { class: `pill ${kind}` }, text)));
  }

  showSeats(session) {
    setText(this.seats, isOpen(session) ? seats(session) : `${session.participants} booked`);
    this.meter.hidden = session.maxParticipants === null || !isOpen(session);
    this.meter.classList.toggle("full", isFull(session));
    this.bar.style.width = `${session.maxParticipants ? Math.min(100, (100 * session.participants) / session.maxParticipants) : 0}%`;
  }

  showButtons(entry, actor) {
    const wanted = actions(entry, actor);
    const key = JSON.stringify([wanted, entry.busy]);
    const hadFocus = this.buttons.contains(document.activeElement);
    const changed = this.replace(this.buttons, key, () => wanted.map((action) => this.button(action, entry.busy)));
    if (changed && hadFocus) (this.buttons.querySelector("button:not(:disabled)") ?? this.title).focus({ preventScroll: true });
  }

  button({ name, label, kind, sure, disabled }, busy) {
    const button = el("button", { type: "button", class: `button ${kind}`, disabled: disabled ?? false, "aria-describedby": `title-${this.id}` }, label);
    if (busy) {
      button.setAttribute("aria-disabled", "true");
      if (busy === name) button.classList.add("busy");
      return button;
    }
    let asked = !sure;
    button.addEventListener("click", () => {
      if (asked) return this.act(name, this.id);
      asked = true;
      button.textContent = sure;
      button.classList.add("sure");
      setTimeout(() => {
        asked = false;
        button.textContent = label;
        button.classList.remove("sure");
      }, SURE_FOR);
    });
    return button;
  }

  showPanel({ joined, meeting, roster }, actor) {
    const people = [...(roster?.people.values() ?? [])];
    this.panel.hidden = !joined && !people.length;
    const key = JSON.stringify([joined, meeting, people.map((person) => [person.id, person.name])]);
    this.replace(this.panel, key, () => [joined ? meetingLine(meeting) : null, people.length ? rosterList(people, actor) : null].filter(Boolean));
  }

  /** New children, only if what they show has changed. */
  replace(node, key, children) {
    if (node.shows === key) return false;
    node.shows = key;
    node.replaceChildren(...children());
    return true;
  }
}

function meetingLine(meeting) {
  const isWeb = meeting?.url?.startsWith("https://");
  if (!isWeb) return el("p", { class: "meeting" }, "You are in. This session has no meeting link.");
  const link = el("a", { class: "button primary", href: meeting.url, target: "_blank", rel: "noopener noreferrer" }, "Open the meeting ↗");
  const secret = meeting.password ? el("span", {}, "Password ", el("code", {}, meeting.password)) : null;
  return el("p", { class: "meeting" }, link, el("span", { class: "address" }, meeting.url.replace("https://", "")), secret);
}

function rosterList(people, actor) {
  const rows = people.slice(0, FACES).map((person) =>
    el("li", { class: person.role }, el("b", { "aria-hidden": "true" }, initials(person.name)), person.id === actor?.id ? `${person.name} (you)` : person.name,
      person.role === "expert" ? el("em", {}, "host") : null));
  if (people.length > FACES) rows.push(el("li", { class: "more" }, `and ${people.length - FACES} more`));
  return el("section", { class: "roster" }, el("h4", {}, `Present (${people.length})`), el("ul", {}, ...rows));
}
