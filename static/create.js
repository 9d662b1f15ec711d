// The form for a new session. The hub judges the input; each of its `errors` is shown next to its field.

import { byId, el } from "./dom.js";
import { digits, instantIn } from "./format.js";

// Name in the contract, label, hint, and attributes; `tag` is the element if it is no input, `wide` takes the whole row.
const FIELDS = [
  ["title", "Title", "", { wide: true, required: true, maxlength: 200 }],
  ["description", "Description", "optional", { wide: true, tag: "textarea", rows: 2 }],
  ["startsAt", "Starts, in its time zone", "", { type: "datetime-local", required: true }],
  ["timezone", "Time zone", "", { list: "zones" }],
  ["durationMinutes", "Length in minutes", "", { type: "number", min: 1, max: 1440, value: 60, required: true }],
  ["maxParticipants", "Seats", "empty: no limit", { type: "number", min: 1 }],
  ["price", "Price", "empty: free", { type: "number", min: 0, step: "any" }],
  ["currency", "Currency", "", { value: "KES", maxlength: 3 }],
  ["meetingUrl", "Meeting link", "optional", { wide: true, type: "url", placeholder: "https://" }],
  ["meetingPassword", "Meeting password", "optional", {}],
  ["rosterVisibility", "Who sees who is present", "", { tag: "select" }],
];

function field([name, label, hint, { tag = "input", wide, ...attributes }]) {
  const id = `f-${name}`;
  const described = { id, name, autocomplete: "off", "aria-describedby": `${id}-error`, ...attributes };
  const words = el("label", { for: id }, label, hint ? el("small", {}, ` ${hint}`) : null);
  return el("div", { class: wide ? "field full" : "field" }, words, el(tag, described), el("p", { id: `${id}-error`, class: "error" }));
}

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export class CreateForm {
  /** `submit` takes a new session, throws a Refusal, and answers what is to be done once the dialog has closed. */
  constructor(submit) {
    this.submit = submit;
    this.dialog = byId("create");
    this.form = byId("create-form");
    this.summary = byId("create-problem");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    byId("create-close").addEventListener("click", () => this.dialog.close());
    byId("fields").append(...FIELDS.map(field));
    byId("f-rosterVisibility").append(el("option", { value: "participants" }, "Everyone who joined"), el("option", { value: "host" }, "Only me"));
    for (const name of Intl.supportedValuesOf?.("timeZone") ?? []) byId("zones").append(el("option", { value: name }));
  }

  open() {
    this.form.reset();
    this.clear();
    const { startsAt, timezone } = this.form.elements;
    const soon = new Date(Math.ceil((Date.now() + 15 * 60_000) / 900_000) * 900_000);
    timezone.value = zone();
    startsAt.value = new Date(soon.getTime() - soon.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    this.dialog.showModal();
    this.form.elements.title.focus();
  }

  /** What was typed; what was left empty is left out, what can't be read goes as it is, for the hub to say so. */
  read() {
    const typed = Object.fromEntries([...new FormData(this.form)].map(([name, value]) => [name, value.trim()]));
    const { price, currency, ...rest } = typed;
    const session = Object.fromEntries(Object.entries(rest).filter(([, value]) => value));
    Object.assign(session, { title: typed.title, startsAt: instantIn(typed.startsAt, typed.timezone || "UTC") ?? typed.startsAt });
    for (const name of ["durationMinutes", "maxParticipants"]) if (name in session) session[name] = Number(session[name]);
    if (price) session.price = { amount: Math.round(price * 10 ** digits(currency.toUpperCase())), currency: currency.toUpperCase() };
    return session;
  }

  async send() {
    const button = byId("create-send");
    if (button.disabled) return;
    this.clear();
    button.disabled = true;
    try {
      const shown = await this.submit(this.read());
      this.dialog.close();
      shown();
    } catch (problem) {
      this.show(problem);
    } finally {
      button.disabled = false;
    }
  }

  clear() {
    this.summary.hidden = true;
    for (const field of this.form.elements) this.mark(field, "");
  }

  mark(field, text) {
    const place = byId(`${field.id}-error`);
    if (!place) return false;
    place.textContent = place.textContent && text ? `${place.textContent}; ${text}` : text;
    if (text) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    return true;
  }

  show(problem) {
    const fields = { "/price/amount": "price", "/price/currency": "currency" };
    const rest = [];
    for (const { pointer, detail } of problem.errors ?? []) {
      const field = this.form.elements[fields[pointer] ?? pointer.slice(1)];
      if (!field || !this.mark(field, plain(detail))) rest.push(`${pointer} ${detail}`);
    }
    const count = (problem.errors?.length ?? 0) - rest.length;
    this.summary.textContent = rest.length ? rest.join("; ") : count ? "Please mend what is marked." : problem.message;
    this.summary.hidden = false;
    (this.form.querySelector("[aria-invalid]") ?? byId("create-send")).focus();
  }
}

function plain(detail) {
  return detail.charAt(0).toUpperCase() + detail.slice(1).replaceAll("`", "");
}
