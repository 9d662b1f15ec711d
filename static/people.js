// Who the page speaks for: nobody (a watcher), one of the demo's people, or the bearer of a pasted token.

import { samplePeople } from "./api.js";
import { byId, el } from "./dom.js";

const KEPT = "hub-person";

export class People {
  /** `become` is called with {id, name, role, token}, or null for a watcher. */
  constructor(become) {
    this.become = become;
    this.people = [];
    byId("who").addEventListener("change", (event) => this.choose(event.target.value));
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.paste(byId("token").value.trim());
    });
    byId("sign-out").addEventListener("click", () => this.become(null));
  }

  /** The person of this tab: in the demo the choice survives a reload; a pasted token is never stored. */
  async load() {
    const kept = keptPerson();
    this.isDemo = "demo" in document.documentElement.dataset;
    byId("who-demo").hidden = !this.isDemo;
    byId("who-token").hidden = this.isDemo;
    if (!this.isDemo) return null;
    const samples = await samplePeople();
    const student = kept?.role === "student" ? kept : samples.find(({ role }) => role === "student");
    this.people = [student, ...samples.filter(({ role }) => role === "expert")].filter(Boolean);
    byId("who").replaceChildren(
      el("option", { value: "" }, "Watcher (not signed in)"),
      ...this.people.map(({ id, name, role }) => el("option", { value: id }, `${name}, ${role}`)),
    );
    return this.people.find((person) => person.id === kept?.id) ?? null;
  }

  choose(id) {
    this.become(this.people.find((person) => person.id === id) ?? null);
  }

  paste(token) {
    byId("token-error").textContent = "";
    const actor = read(token);
    if (actor) this.become(actor);
    else byId("token-error").textContent = "This is not a JSON Web Token of an expert or a student.";
  }

  /** Show who it is now. */
  show(actor) {
    if (this.isDemo) {
      byId("who").value = actor?.id ?? "";
      if (actor) sessionStorage.setItem(KEPT, JSON.stringify(actor));
      else sessionStorage.removeItem(KEPT);
    }
    byId("token").value = "";
    byId("token-form").hidden = Boolean(actor);
    byId("signed-in").hidden = !actor;
    byId("signed-in-name").textContent = actor ? `${actor.name}, ${actor.role}` : "";
    byId("signed-in-name").title = byId("signed-in-name").textContent;
  }

  /** The hub refused the token: in a demo that began anew the same person has a new one, or a student is another. */
  async refused() {
    if (!this.isDemo) return null;
    const { id, role } = keptPerson() ?? {};
    sessionStorage.removeItem(KEPT);
    await this.load();
    return this.people.find((person) => person.id === id) ?? this.people.find((person) => role === "student" && person.role === role) ?? null;
  }
}

/** Who this tab spoke for; null too where what is stored makes no sense, as anything on this origin may write there. */
function keptPerson() {
  try {
    const { id, name, role, token } = JSON.parse(sessionStorage.getItem(KEPT));
    return [id, name, role, token].every((value) => typeof value === "string") ? { id, name, role, token } : null;
  } catch {
    return null;
  }
}

/** What a token says of its bearer, unchecked: the hub checks it. */
function read(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const { sub, name, role } = JSON.parse(new TextDecoder().decode(bytes));
    return sub && (role === "expert" || role === "student") ? { id: sub, name: name ?? sub, role, token } : null;
  } catch {
    return null;
  }
}
