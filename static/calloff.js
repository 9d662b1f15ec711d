// Calling a session off, asked for twice: everyone's seat goes with it.

import * as api from "./api.js";
import { el, setText } from "./dom.js";

export class CallOff {
  /** `done(session)` follows once it is cancelled. */
  constructor({ session, actor, done }) {
    Object.assign(this, { session, actor, done });
    const { participants: seats, title } = session;
    const booked = seats ? `${seats === 1 ? "One person has a seat and loses it." : `${seats} people have seats and lose them.`} ` : "";
    this.problem = el("p", { class: "note", role: "alert", hidden: true });
    this.yes = el("button", { type: "button", class: "button danger", "data-action": "confirmCallOff", onclick: () => this.cancel() }, "Call it off");
    const keep = el("button", { type: "button", class: "button plain", autofocus: true, onclick: () => this.dialog.close() }, "Keep it");
    this.dialog = el("dialog", { class: "call-off", "aria-labelledby": "call-off-title" }, el("h2", { id: "call-off-title" }, `Call off “${title}”?`),
      el("p", {}, `${booked}This can't be undone.`), this.problem, el("footer", {}, keep, this.yes));
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  async cancel() {
    this.yes.disabled = true;
    try {
      const session = await api.cancel(this.session.id, this.actor);
      this.dialog.close();
      this.done(session);
    } catch (problem) {
      setText(this.problem, problem.message);
      this.problem.hidden = false;
      this.yes.disabled = false;
    }
  }
}
