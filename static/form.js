// A session's form, to create and to edit. The page says what it can see; the hub judges, and each of its `errors` stands at its field.

import * as api from "./api.js";
import { CallOff } from "./calloff.js";
import { el, setText } from "./dom.js";
import { blank, changes, created, faults, INPUTS, merged, NAMES, readings, valuesOf, WHILE_ACTIVE } from "./draft.js";
import { groups } from "./fields.js";
import { isZone, zoneOr } from "./format.js";

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const LONGEST = 120;
const TOGETHER = { timezone: ["timezone", "startsAt"], price: ["price", "currency"], currency: ["currency", "price"] };
const MOVED = new Set(["precondition_failed", "invalid_transition"]);
const LOCKED = "The session is live: its title, description and meeting can be changed, the rest could only before it began.";

export class SessionForm {
  /** `session` is the one to edit, null for a new one; `done(session)` follows what was saved or called off, `cancel()` giving up. */
  constructor({ session, actor, done, cancel }) {
    Object.assign(this, { id: session?.id ?? null, session, actor, done, cancel, base: null, touched: new Set(), said: {}, busy: false });
    this.when = el("output", { class: "when full", for: "f-startsAt f-timezone f-durationMinutes" });
    this.summary = el("p", { class: "note", role: "alert", hidden: true });
    this.news = el("div", { class: "news", role: "group", "aria-label": "What has changed meanwhile", tabindex: "-1", hidden: true });
    this.locked = el("p", { class: "fine", id: "f-locked", hidden: true });
    this.send = el("button", { type: "submit", class: "button primary" }, this.id ? "Save changes" : "Create session");
    const callOff = { type: "button", class: "button danger", "data-action": "callOff", onclick: () => this.callOff() };
    this.off = this.id ? el("button", callOff, "Call it off…") : null;
    const give = el("button", { type: "button", class: "button plain", onclick: () => cancel() }, "Cancel");
    this.footer = el("footer", {}, this.off, el("span", { class: "gap" }), give, this.send);
    this.form = el("form", { id: "session-form", novalidate: true, "aria-labelledby": "session-form-title" }, this.locked, this.news,
      ...groups(!this.id, { When: this.when }), this.summary, this.footer);
    this.title = el("h1", { id: "session-form-title", tabindex: "-1" }, this.id ? "Edit session" : "New session");
    this.state = el("div", { class: "state", role: "status", hidden: true });
    this.node = el("div", { class: "session-form" }, this.title, this.state, this.form);
    this.listen();
    if (this.id) this.load();
    else this.begin(blank(Date.now(), HERE));
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.form.addEventListener("input", ({ target }) => this.hint(target.name, false));
    // A field that is left may show what is wrong with it, and would move the button away from under the click.
    this.footer.addEventListener("mousedown", (event) => event.preventDefault());
    this.form.addEventListener("focusout", ({ target }) => target.name && this.hint(target.name, true));
  }

  /** Whether something was typed that is not saved. */
  get isDirty() {
    return this.clean !== undefined && JSON.stringify(this.read()) !== this.clean;
  }

  /** The session as its owner gets it now: lists know nothing of its meeting. */
  async load() {
    this.form.hidden = true;
    this.state.hidden = false;
    this.state.replaceChildren(el("p", {}, "Loading the session…"));
    try {
      this.session = await api.session(this.id, this.actor);
    } catch (problem) {
      const again = el("button", { type: "button", class: "button primary", onclick: () => this.load() }, "Try again");
      return void this.state.replaceChildren(el("h2", {}, "The session could not be loaded"), el("p", {}, problem.message), again);
    }
    this.state.hidden = true;
    this.form.hidden = false;
    this.base = valuesOf(this.session);
    this.begin(this.base);
    this.lock();
  }

  begin(values) {
    this.write(values);
    this.clean = JSON.stringify(this.read());
  }

  input(name) {
    return this.form.elements[name];
  }

  read() {
    return Object.fromEntries(Object.keys(NAMES).map((name) => [name, this.input(name).value]));
  }

  write(values) {
    for (const [name, value] of Object.entries(values)) this.input(name).value = value;
    this.tellWhen(values);
  }

  /** What may no longer be changed is shown, with the reason. */
  lock() {
    const { status, canEdit, title } = this.session;
    const why = reason(this.session);
    setText(this.title, `Edit “${title}”`);
    setText(this.locked, why ?? "");
    this.locked.hidden = why === null;
    this.off.hidden = status !== "scheduled" || !canEdit;
    for (const name of Object.keys(NAMES)) {
      this.input(name).disabled = !canEdit || (status === "active" && !WHILE_ACTIVE.includes(name));
      this.input(name).setAttribute("aria-describedby", this.input(name).disabled ? "f-locked" : `f-${name}-error`);
    }
    this.send.disabled = !canEdit;
  }

  // What is wrong, and where.

  faults(values = this.read()) {
    const found = faults(values, { now: Date.now(), base: this.base, taken: this.session?.participants ?? 0 });
    return Object.fromEntries(Object.entries(found).filter(([name]) => !this.input(name).disabled));
  }

  /** As they type: a fault is shown once they have left the field, and goes as soon as it is mended; the hub's when it is changed. */
  hint(name, left) {
    const values = this.read();
    if (left && values[name]?.trim()) this.touched.add(name);
    const said = Object.entries(this.said).filter(([one, { value }]) => values[one] === value).map(([one, { words }]) => [one, words]);
    const found = { ...Object.fromEntries(said), ...this.faults(values) };
    for (const one of TOGETHER[name] ?? [name]) this.mark(one, this.touched.has(one) ? found[one] : null);
    this.tellWhen(values);
  }

  mark(name, sentence) {
    setText(this.form.querySelector(`#f-${name}-error`), sentence ?? "");
    if (sentence) this.input(name).setAttribute("aria-invalid", "true");
    else this.input(name).removeAttribute("aria-invalid");
  }

  /** All faults at their fields, `rest` for what belongs to none; the first wrong field has the focus. */
  show(found, rest = []) {
    for (const name of Object.keys(NAMES)) this.mark(name, found[name]);
    for (const name of Object.keys(found)) this.touched.add(name);
    const count = Object.keys(found).length;
    const marked = count === 1 ? "One thing to mend: it is marked." : `${count} things to mend: they are marked.`;
    const all = count ? [marked, ...rest] : rest;
    this.summary.hidden = all.length === 0;
    setText(this.summary, all.join(" "));
    this.form.querySelector("[aria-invalid]")?.focus();
  }

  tellWhen({ startsAt, timezone, durationMinutes }) {
    const found = isZone(timezone) || timezone === this.base?.timezone ? readings(startsAt, zoneOr(timezone)) : [];
    const minutes = Number(durationMinutes) || 0;
    setText(this.when, found.length ? told(found, timezone, minutes) : "");
  }

  // What is sent.

  async submit() {
    if (this.busy || this.send.disabled) return;
    const values = this.read();
    const found = this.faults(values);
    this.show(found);
    if (Object.keys(found).length) return;
    this.work(true);
    try {
      this.done(this.base ? await this.edited(values) : await api.create(created(values), this.actor));
    } catch (problem) {
      if (this.base && MOVED.has(problem.code)) await this.catchUp(problem);
      else this.refused(problem);
    } finally {
      this.work(false);
    }
  }

  async edited(values) {
    const changed = changes(this.base, values);
    return Object.keys(changed).length ? api.edit(this.id, changed, this.session.version, this.actor) : this.session;
  }

  work(isBusy) {
    this.busy = isBusy;
    if (isBusy) this.send.setAttribute("aria-disabled", "true");
    else this.send.removeAttribute("aria-disabled");
    this.send.classList.toggle("busy", isBusy);
  }

  refused({ errors = [], code, message }) {
    const found = {};
    const rest = [];
    if (code === "capacity_below_seats") found.maxParticipants = message;
    for (const { pointer, detail } of errors) {
      const name = INPUTS[pointer] ?? pointer.slice(1);
      if (name in NAMES) found[name] = [found[name], sentence(detail)].filter(Boolean).join(" ");
      else rest.push(sentence(`${pointer} ${detail}`));
    }
    const values = this.read();
    this.said = Object.fromEntries(Object.entries(found).map(([name, words]) => [name, { value: values[name], words }]));
    this.show(found, Object.keys(found).length || rest.length ? rest : [message]);
  }

  /** It changed meanwhile: theirs is taken over where nothing was typed here, and offered where both changed it. */
  async catchUp(problem) {
    const before = this.session.status;
    try {
      this.session = await api.session(this.id, this.actor);
    } catch (failed) {
      return this.refused(failed);
    }
    const current = valuesOf(this.session);
    const { values, taken, clashes } = merged(this.base, this.read(), current);
    const moved = this.session.status === before ? [] : [`It is ${this.session.status} now.`];
    this.base = current;
    this.write(values);
    this.lock();
    for (const name of Object.keys(NAMES)) if (this.input(name).disabled) this.input(name).value = current[name];
    if (problem.code === "invalid_transition" && !moved.length) return this.refused(problem);
    const over = [...moved, ...taken.map((name) => takenOver(name, current[name]))].map((words) => el("li", {}, words));
    this.news.replaceChildren(el("h2", {}, "This session has changed meanwhile"),
      el("ul", {}, ...over, ...clashes.map((name) => this.clash(name, current[name]))),
      el("p", {}, "Nothing of yours is saved yet. Look it over, and save again."));
    this.news.hidden = false;
    this.news.focus();
  }

  clash(name, theirs) {
    const take = () => {
      this.input(name).value = theirs;
      this.hint(name, true);
      line.replaceChildren(takenOver(name, theirs));
      this.input(name).focus();
    };
    const line = el("li", {}, `${NAMES[name]} is now ${quoted(theirs)}, you typed ${quoted(this.input(name).value)}. `,
      el("button", { type: "button", class: "link", onclick: take }, "Take theirs"), " or keep yours.");
    return line;
  }

  callOff() {
    new CallOff({ session: this.session, actor: this.actor, done: this.done }).open();
  }
}

/** Why not all of it can be changed; null if it can. */
function reason({ status, canEdit }) {
  if (status === "ended" || status === "cancelled") return `This session is ${status}: it can't be changed any more.`;
  if (!canEdit) return "Only its expert can edit this session.";
  return status === "active" ? LOCKED : null;
}

const quoted = (value) => (value ? `“${value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value}”` : "empty");
const takenOver = (name, theirs) => `${NAMES[name]} is now ${quoted(theirs)}: taken over.`;
const sentence = (detail) => `${detail.charAt(0).toUpperCase()}${detail.slice(1).replaceAll("`", "")}.`.replace(/\.\.$/, ".");

/** When that is, there and for the reader; an hour that comes twice is told. */
function told(found, zone, minutes) {
  const [at] = found;
  const span = (timeZone, withDay) => {
    const day = withDay ? { weekday: "short", day: "numeric", month: "short", year: "numeric" } : {};
    return new Intl.DateTimeFormat(undefined, { timeZone, hour: "2-digit", minute: "2-digit", ...day }).formatRange(at, at + minutes * 60_000);
  };
  const mine = zone === HERE ? "" : ` For you: ${span(HERE, true)}.`;
  const twice = found.length > 1 ? " The clocks show this time twice on that day: the first is meant." : "";
  const place = isZone(zone) ? `in ${zone.replaceAll("_", " ")}` : `in UTC: this browser does not know ${zone}`;
  return `${span(zoneOr(zone), true)} ${place}.${mine}${twice}`;
}
