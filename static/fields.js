// The inputs of a session's form: each with its label, its hint, and a place for what is wrong with it.

import { NAMES } from "./draft.js";
import { el } from "./dom.js";

const VISIBILITY = [["participants", "Everyone who has joined"], ["host", "Only me"]];

/** By group: name in the contract, hint, and attributes; `tag` is the element if it is no input, `wide` takes the whole row. */
const GROUPS = [
  ["What it is about", [
    ["title", "", { wide: true, "aria-required": "true" }],
    ["description", "optional", { wide: true, tag: "textarea", rows: 4 }],
  ]],
  ["When", [
    ["startsAt", "in its time zone", { type: "datetime-local", "aria-required": "true" }],
    ["timezone", "", { list: "zones", spellcheck: "false", "aria-required": "true" }],
    ["durationMinutes", "", { inputmode: "numeric", "aria-required": "true" }],
  ]],
  ["Seats and price", [
    ["maxParticipants", "empty: no limit", { inputmode: "numeric" }],
    ["courseId", "optional, its id", { spellcheck: "false", maxlength: 255 }],
    ["price", "empty: free", { inputmode: "decimal" }],
    ["currency", "", { maxlength: 3, spellcheck: "false" }],
  ]],
  ["The room", [
    ["meetingUrl", "optional", { wide: true, type: "url", placeholder: "https://", spellcheck: "false" }],
    ["meetingPassword", "optional", { spellcheck: "false", maxlength: 255 }],
    ["rosterVisibility", "", { tag: "select" }],
  ]],
];

function field([name, hint, { tag = "input", wide, ...attributes }], isNew) {
  const id = `f-${name}`;
  const described = { id, name, autocomplete: "off", "aria-describedby": `${id}-error`, ...attributes };
  const asIs = isNew ? [] : [["", "As it is"]];
  const choices = tag === "select" ? [...asIs, ...VISIBILITY].map(([value, words]) => el("option", { value }, words)) : [];
  const label = el("label", { for: id }, NAMES[name], hint ? el("small", {}, ` ${hint}`) : null);
  return el("div", { class: wide ? "field full" : "field" }, label, el(tag, described, ...choices), el("p", { id: `${id}-error`, class: "error" }));
}

/** The groups of inputs; `after` are further nodes by the group's heading. */
export function groups(isNew, after) {
  const zones = el("datalist", { id: "zones" }, ...(Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => el("option", { value })));
  const made = GROUPS.map(([heading, fields]) => el("fieldset", {}, el("legend", {}, heading),
    el("div", { class: "fields" }, ...fields.map((one) => field(one, isNew)), after[heading] ?? null)));
  return [...made, zones];
}
