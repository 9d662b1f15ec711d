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

/** The form of `#/new` and, with an id, of `#/sessions/12/edit`: there for experts, else it says so. */
export class FormPage {
  constructor(id, { sessions, say }) {
    Object.assign(this, { id, sessions, say, title: id ? "Edit session" : "New session", form: null, actor: undefined });
    this.node = el("div");
  }

  update({ sessions, who: { actor } }) {
    if (sessions.opened.missing) return this.lost();
    if (actor?.id === this.actor?.id && this.actor !== undefined) return;
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
      return this.node.replaceChildren(state("This is for experts", text, "#/", "See all sessions"));
    }
    const [{ SessionForm }] = await Promise.all([import("./form.js"), styled("/static/expert.css")]);
    if (this.actor !== actor || this.title === GONE) return;
    const session = this.id && (this.sessions.store.get(this.id)?.session ?? { id: this.id });
    this.form = new SessionForm({ session: session || null, actor, done: (saved) => this.done(saved), cancel: () => this.leave(this.id) });
    this.node.replaceChildren(this.form.node);
    this.form.node.querySelector("h1")?.focus({ preventScroll: true });
  }

  done(saved) {
    this.sessions.store.merge(saved);
    this.sessions.loadSoon();
    this.say(this.id ? "Session saved." : "Session created.");
    this.leave(saved.id);
  }

  leave(id) {
    location.hash = id ? `#/sessions/${id}` : "#/";
  }
}
