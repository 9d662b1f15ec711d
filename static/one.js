// One session by itself: what it is, what one may do, and the room. Its expert has the expert's parts below.

import { Buttons } from "./actions.js";
import { here, meetingLine, pills } from "./card.js";
import { el, fill, setText, styled } from "./dom.js";
import { countdown, duration, hold, money, seats, there, when } from "./format.js";
import { Room } from "./room.js";
import { isHeld, isOpen } from "./store.js";
import { Strip } from "./strip.js";

const TOLD_EVERY = 20_000;

export class One {
  /** `on` = {act, again, say, back}: the last is the list's address. */
  constructor(id, on) {
    Object.assign(this, { id, on, title: `Session ${id}`, expert: null, toldAt: 0 });
    this.heading = el("h1", { id: "title", tabindex: "-1", "data-field": "title" }, "Loading…");
    this.strip = new Strip();
    this.room = new Room();
    this.buttons = new Buttons(id, on.act, this.heading);
    this.hold = el("p", { class: "hold", "data-field": "hold", role: "timer", hidden: true });
    this.countdown = el("p", { class: "ticking", "data-field": "countdown", role: "timer" });
    for (const name of ["pills", "by", "time", "about"]) this[name] = el("p", { class: name });
    for (const name of ["live", "seats", "peak"]) this[name] = el("p", { "data-field": name });
    this.number = el("strong");
    this.unit = el("span");
    this.live.append(this.number, " ", this.unit);
    this.meeting = el("div");
    this.calendar = el("a", { class: "link", href: `/api/live-sessions/${id}/calendar.ics`, download: `session-${id}.ics`, "data-action": "calendar" }, "Add to calendar");
    this.hint = el("p", { class: "hint" }, "You are watching. Sign in at the top to book a seat or to join.");
    this.told = el("p", { class: "hide", role: "status" });
    this.build();
  }

  build() {
    const desk = el("aside", { class: "desk", "aria-label": "Seats and what you can do" }, this.live, this.strip.node, this.seats, this.peak, this.hold,
      this.buttons.node, this.buttons.note, this.meeting, this.hint, this.calendar);
    const words = el("div", { class: "words" }, this.pills, this.heading, this.countdown, this.time, this.by, this.about);
    this.article = el("article", { class: "one", "aria-labelledby": "title", hidden: true }, words, desk, this.room.node);
    this.parts = el("div");
    this.trouble = el("div", { class: "state", hidden: true });
    this.bones = el("div", { class: "bones", "aria-hidden": "true" });
    const back = el("p", { class: "back" }, el("a", { href: this.on.back }, "← All sessions"));
    this.node = el("div", {}, back, this.bones, el("div", { role: "status" }, this.trouble), this.article, this.parts, this.told);
  }

  update({ sessions, who, now }) {
    const entry = sessions.store.get(this.id);
    const { missing, failure } = sessions.opened;
    this.entry = missing ? null : entry;
    this.bones.hidden = Boolean(entry || missing || failure);
    this.article.hidden = !this.entry;
    this.showTrouble(this.entry ? null : missing ? "missing" : failure);
    if (!this.entry) return this.dropExpert();
    this.showWords(entry, now);
    this.showDesk(entry, who);
    if (entry.session.isExpert) this.room.node.hidden = true;
    else this.room.update(entry, who.actor);
    this.showExpert(entry, who.actor);
    this.tick(now);
    if (document.activeElement?.id === "main") this.heading.focus({ preventScroll: true });
  }

  showTrouble(trouble) {
    this.trouble.hidden = !trouble;
    const isMissing = trouble === "missing";
    fill(this.trouble, trouble, () => !trouble ? [] : [
      el("h1", { tabindex: "-1" }, isMissing ? "There is no such session" : "The session could not be loaded"),
      el("p", {}, isMissing ? `Nothing has the number ${this.id}. The address may be mistyped.` : trouble),
      isMissing ? el("a", { class: "button primary", href: "#/" }, "See all sessions") : el("button", { type: "button", class: "button primary", onclick: () => this.on.again() }, "Try again"),
    ]);
    if (isMissing) this.title = "No such session";
  }

  showWords(entry, now) {
    const { session } = entry;
    this.title = session.title;
    this.article.dataset.session = this.id;
    this.article.dataset.status = session.status;
    const shown = pills(entry);
    fill(this.pills, JSON.stringify(shown), () => shown.map(([text, kind]) => el("span", { class: `pill ${kind}` }, text)));
    setText(this.heading, session.title);
    setText(this.by, `With ${session.instructor}`);
    setText(this.about, session.description);
    const told = [when(session, new Date(now)), duration(session.durationMinutes), there(session)].filter(Boolean).join(" · ");
    setText(this.time, told);
  }

  showDesk(entry, who) {
    const { session } = entry;
    this.live.hidden = !isOpen(session);
    setText(this.number, session.live.toLocaleString());
    setText(this.unit, here(session).replace(/^\S+ /, ""));
    this.strip.update(session);
    setText(this.seats, isOpen(session) ? `${seats(session)} · ${money(session.price)}` : `${session.participants} booked`);
    this.peak.hidden = session.status === "scheduled" || session.status === "cancelled";
    setText(this.peak, `${session.peakLive.toLocaleString()} at the peak`);
    this.buttons.update(entry, who);
    fill(this.meeting, JSON.stringify([entry.joined, entry.meeting]), () => meetingLine(entry));
    this.hint.hidden = Boolean(who.actor) || !isOpen(session);
    this.calendar.hidden = !isOpen(session);
    this.tell(session);
  }

  /** The count is read aloud when it has changed, yet not at each change. */
  tell(session) {
    const told = `${here(session)}, ${seats(session)}`;
    if (!isOpen(session) || this.told.textContent === told || Date.now() - this.toldAt < TOLD_EVERY) return;
    this.toldAt = Date.now();
    setText(this.told, told);
  }

  /** Loaded when they are first needed; nobody else needs them. */
  async showExpert({ session, roster }, actor) {
    if (!session.isExpert || !actor) return this.dropExpert();
    this.wanted = actor;
    const [{ ExpertParts }] = await Promise.all([import("./expert.js"), styled("/static/expert.css")]);
    if (this.wanted !== actor || this.closed) return;
    if (!this.expert) {
      this.expert = new ExpertParts({ id: this.id, actor, say: this.on.say });
      this.parts.append(this.expert.node);
    }
    this.expert.update({ session: this.entry?.session ?? session, roster: this.entry?.roster ?? roster });
  }

  dropExpert() {
    this.wanted = null;
    this.expert?.close();
    this.expert = null;
  }

  tick(now) {
    if (!this.entry) return;
    const { session, booking } = this.entry;
    this.countdown.hidden = session.status !== "scheduled";
    if (!this.countdown.hidden) setText(this.countdown, countdown(session, now));
    this.hold.hidden = booking?.status !== "pending" || !isHeld(session);
    if (!this.hold.hidden) setText(this.hold, hold(booking, now));
  }

  close() {
    this.closed = true;
    this.dropExpert();
  }
}
