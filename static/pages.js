// The views beside the sessions: the form for a new or known session, and an address where nothing is.

import { el, styled } from "./dom.js";

const state = (title, text, href, label) =>
  el("div", { class: "state" }, el("h1", { tabindex: "-1" }, title), el("p", {}, text), el("a", { class: "button primary", href }, label));

const GONE = "No such session";

export class Lost {
  constructor() {
    this.title = "Not found";
    this.node = state("There is nothing at this address", "It may be mistyped, or from another hub.", "#/", "See all sessions");
  }

  update() {}
}

/** The form of `#/new` and, with an id, of `#/sessions/12/edit`: there for experts, else it says so.
 *  What somebody typed waits for them: their token may end meanwhile. */
export class FormPage {
  constructor(id, { sessions, say }) {
    Object.assign(this, { id, sessions, say, title: id ? "Edit session" : "New session", forms: new Map(), form: null, actor: undefined });
    this.node = el("div");
    this.address = location.hash;
    this.unloading = (event) => this.isDirty && event.preventDefault();
    window.addEventListener("beforeunload", this.unloading);
  }

  get isDirty() {
    return [...this.forms.values()].some((form) => form.isDirty);
  }

  update({ sessions, who: { actor } }) {
    if (sessions.opened.missing && !this.isDirty) return this.lost();
    if (actor?.token === this.actor?.token && this.actor !== undefined) return;
    if (this.id && actor?.role === "expert" && !sessions.store.get(this.id) && !sessions.opened.failure) return; // is there one?
    this.actor = actor;
    this.show(actor);
  }

  lost() {
    if (this.title === GONE) return;
    this.title = GONE;
    this.node.replaceChildren(state("There is no such session", `Nothing has the number ${this.id}.`, "#/", "See all sessions"));
  }

  async show(actor) {
    if (actor?.role !== "expert") {
      const text = actor ? "Students book seats and join." : "Choose at the top who you are, or sign in.";
      const kept = this.isDirty ? " What was typed here is kept until its author signs in again." : "";
      return this.node.replaceChildren(state("This is for experts", text + kept, "#/", "See all sessions"));
    }
    const [{ SessionForm }] = await Promise.all([import("./form.js"), styled("/static/expert.css")]);
    if (this.actor !== actor || this.title === GONE) return;
    const known = this.forms.get(actor.id);
    this.form = known ?? this.made(SessionForm, actor);
    this.form.actor = actor;
    this.forms.set(actor.id, this.form);
    if (this.form.node.isConnected) return;
    this.node.replaceChildren(this.form.node);
    this.form.node.querySelector("h1")?.focus({ preventScroll: true });
  }

  made(SessionForm, actor) {
    const session = this.id && (this.sessions.store.get(this.id)?.session ?? { id: this.id });
    return new SessionForm({ session: session || null, actor, done: (saved) => this.done(saved), cancel: () => this.leave(this.id) });
  }

  done(saved) {
    this.sessions.store.merge(saved);
    this.sessions.loadSoon();
    this.say(this.id ? "Session saved." : "Session created.");
    this.leave(saved.id);
  }

  leave(id) {
    this.forms.clear();
    location.hash = id ? `#/sessions/${id}` : "#/";
  }

  /** Whether this view stays for now, though the address leads elsewhere: it asks, since what was typed would be lost. */
  stays() {
    if (!this.isDirty || location.hash === this.address) return this.isDirty;
    const wanted = location.hash;
    history.replaceState(null, "", this.address);
    if (this.asking) return true;
    const close = () => this.asking.close();
    const go = () => {
      close();
      this.forms.clear();
      location.hash = wanted;
    };
    this.asking = el("dialog", { class: "call-off", "aria-labelledby": "leave-title" }, el("h2", { id: "leave-title" }, "Leave the form?"),
      el("p", {}, "What was typed is not saved, and would be lost."), el("footer", {},
        el("button", { type: "button", class: "button plain", autofocus: true, onclick: close }, "Stay"),
        el("button", { type: "button", class: "button danger", "data-action": "leaveForm", onclick: go }, "Leave")));
    this.asking.addEventListener("close", () => {
      this.asking.remove();
      this.asking = null;
    });
    document.body.append(this.asking);
    this.asking.showModal();
    return true;
  }

  close() {
    window.removeEventListener("beforeunload", this.unloading);
  }
}
