// The room: everyone who is here as a face where names may be seen, and every seat as a dot. People come and go in it.

import { el, fill, setText } from "./dom.js";
import { initials } from "./format.js";
import { isOpen } from "./store.js";

const DOTS = 120;
const FACES = 200;
const TONES = 8;
const LEAVING = 400;

/** The same person has the same colour everywhere. */
const tone = (id) => [...id].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 9973, 7) % TONES;

export class Room {
  constructor() {
    this.faces = new Map();
    this.count = el("span", { class: "count" });
    this.people = el("ul", { class: "faces" });
    this.dots = el("p", { class: "dots", "aria-hidden": "true" });
    this.words = el("p", { class: "fine" });
    const heading = el("h2", { id: "room" }, "The room ", this.count);
    this.node = el("section", { class: "room", "aria-labelledby": "room" }, heading, this.people, this.dots, this.words);
  }

  update({ session, roster, joined }, actor) {
    this.node.hidden = !isOpen(session);
    if (this.node.hidden) return;
    const people = [...(roster?.values() ?? [])].slice(0, FACES);
    this.showFaces(people, actor);
    if (roster) this.people.dataset.part = "roster";
    else delete this.people.dataset.part;
    this.people.hidden = !roster;
    setText(this.count, session.live.toLocaleString());
    const unseen = Math.max(0, session.live - people.length);
    const hosts = people.filter(({ role }) => role === "expert").length; // a host is here without a seat
    const taken = Math.max(0, session.participants - session.live + hosts);
    const free = session.maxParticipants === null ? 0 : Math.max(0, session.maxParticipants - session.participants);
    this.showDots(unseen, taken, free);
    setText(this.words, words({ session, roster, joined, unseen, taken, free }));
  }

  showFaces(people, actor) {
    const ids = new Set(people.map(({ id }) => id));
    for (const [id, face] of this.faces) if (!ids.has(id)) this.leave(id, face);
    people.forEach((person) => {
      const known = this.faces.get(person.id);
      if (known?.shows === person.name) return;
      const face = this.face(person, actor);
      if (known) known.replaceWith(face);
      else this.people.append(face);
      this.faces.set(person.id, face);
    });
  }

  face({ id, name, role }, actor) {
    const marks = [id === actor?.id && "you", role === "expert" && "host"].filter(Boolean).join(", ");
    const circle = el("b", { class: `tone-${tone(id)}`, "aria-hidden": "true" }, initials(name));
    const face = el("li", { "data-person": id, class: role, title: name }, circle, el("span", { class: "name" }, name), marks ? el("em", {}, marks) : null);
    face.shows = name;
    return face;
  }

  leave(id, face) {
    this.faces.delete(id);
    delete face.dataset.person;
    face.setAttribute("aria-hidden", "true");
    face.classList.add("leaving");
    setTimeout(() => face.remove(), LEAVING);
  }

  /** Seats as dots; with many of them each dot stands for several. */
  showDots(...counts) {
    const share = Math.max(1, counts.reduce((sum, count) => sum + count, 0) / DOTS);
    const kinds = ["here", "taken", "free"].flatMap((kind, at) => Array(Math.ceil(counts[at] / share)).fill(kind));
    while (this.dots.children.length > kinds.length) this.dots.lastChild.remove();
    while (this.dots.children.length < kinds.length) this.dots.append(el("i"));
    kinds.forEach((kind, at) => {
      const dot = this.dots.children[at];
      if (dot.className !== kind) dot.className = kind;
    });
    this.dots.hidden = !kinds.length;
  }
}

function words({ session, roster, joined, unseen, taken, free }) {
  const count = (number, words) => number > 0 && `${number.toLocaleString()} ${words}`;
  const told = [count(taken, session.live ? "more with a seat" : "with a seat"), count(free, free === 1 ? "seat free" : "seats free")].filter(Boolean).join(", ");
  const names = roster
    ? unseen > 0 && `and ${unseen.toLocaleString()} more are here`
    : session.live > 0 && (joined ? "The host keeps the names to themselves, or there are too many to show" : "Who is here is shown to those who are in");
  const empty = session.live === 0 && "Nobody is here yet";
  return [empty, names, told].filter(Boolean).map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}.`).join(" ");
}
