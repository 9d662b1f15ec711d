// What a person may do with a session right now, the main thing first; and the buttons that do it.

import { el, setText } from "./dom.js";
import { money } from "./format.js";
import { isFull, isHeld, isOpen } from "./store.js";

const SOON = 30 * 60_000;
const SURE_FOR = 4_000;
const LEAVE = { name: "leave", label: "Leave", kind: "plain" };
const join = ({ status }) => ({ name: "join", label: "Join", kind: status === "active" ? "primary" : "plain" });

/** `who` = {actor, isDemo}: only the demo takes payments by a button. */
export function actions(entry, { actor, isDemo }) {
  const { session } = entry;
  if (!actor || !isOpen(session)) return [];
  if (actor.role === "student") return forStudent(entry, isDemo);
  return session.isExpert ? forOwner(entry) : [];
}

function forStudent({ session, joined, booking }, isDemo) {
  const back = { name: "cancelBooking", label: "Give the seat back", kind: "plain" };
  if (isHeld(session)) return isDemo && booking ? [{ name: "pay", label: `Pay ${money(session.price)}`, kind: "primary" }, back] : [back];
  if (session.isBooked) {
    const cancel = { name: "cancelBooking", label: "Cancel booking", kind: "quiet", sure: joined ? "Cancel and leave?" : null };
    return [joined ? LEAVE : join(session), cancel];
  }
  if (isFull(session)) return [{ name: "book", label: "Full", kind: "plain", disabled: true }];
  return [{ name: "book", label: session.isFree ? "Book a seat" : `Book for ${money(session.price)}`, kind: "primary" }];
}

function forOwner({ session, joined }) {
  const stay = joined ? LEAVE : join(session);
  const edit = { name: "edit", label: "Edit", kind: "quiet", href: `#/sessions/${session.id}/edit` };
  if (session.status === "active") return [stay, { name: "end", label: "End session", kind: "plain", sure: "End for everyone?" }, edit];
  const start = { name: "start", label: "Start", kind: Date.parse(session.startsAt) - Date.now() < SOON ? "primary" : "plain" };
  return [start, stay, edit];
}

/** The buttons of one session, and the note of what was refused. New ones only where what they say has changed. */
export class Buttons {
  /** `act(name, id)` is called for what was clicked; `home` takes the focus when no button is left. */
  constructor(id, act, home) {
    Object.assign(this, { id, act, home });
    this.node = el("div", { class: "buttons" });
    this.note = el("p", { class: "note", role: "alert", "data-field": "note", hidden: true });
  }

  update(entry, who) {
    this.note.hidden = !entry.note;
    setText(this.note, entry.note ?? "");
    const wanted = actions(entry, who);
    const key = JSON.stringify([wanted, entry.busy]);
    if (this.key === key) return;
    this.key = key;
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    this.node.replaceChildren(...wanted.map((action) => (action.href ? link(action, this.home) : this.button(action, entry.busy))));
    if (focused) this.keepFocus(focused.dataset.action);
  }

  keepFocus(name) {
    const same = this.node.querySelector(`[data-action=${name}]:not(:disabled)`);
    (same ?? this.node.querySelector(":is(button, a):not(:disabled)") ?? this.home).focus({ preventScroll: true });
  }

  button({ name, label, kind, sure, disabled }, busy) {
    const about = { "data-action": name, "aria-describedby": this.home.id, disabled: Boolean(disabled) };
    const button = el("button", { type: "button", class: `button ${kind}`, ...about }, label);
    if (busy) {
      button.setAttribute("aria-disabled", "true");
      button.classList.toggle("busy", busy === name);
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
}

const link = ({ name, label, kind, href }, home) =>
  el("a", { class: `button ${kind}`, href, "data-action": name, "aria-describedby": home.id }, label);
