// JSON Schema as people read it: a type in words, and a table of members.

import { el } from "./dom.js";

const LIMITS = [
  ["minimum", "from "], ["maximum", "to "], ["minLength", "at least ", " letters"], ["maxLength", "at most ", " letters"],
  ["maxItems", "at most ", " items"], ["pattern", "matches "],
];

export const nameOf = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

/** Text in which `code` stands between backticks. */
export function prose(text) {
  return text.split("`").map((piece, index) => (index % 2 ? el("code", {}, piece) : piece));
}

/** The type in words; a named one links to its own table. */
export function typeOf(schema) {
  if (schema.$ref) return [el("a", { href: `#schema-${nameOf(schema.$ref)}` }, nameOf(schema.$ref))];
  if ("const" in schema) return [el("code", {}, JSON.stringify(schema.const))];
  if (schema.enum) return schema.enum.flatMap((value, index) => [index ? " | " : "", el("code", {}, String(value))]);
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return choices.flatMap((choice, index) => [index ? (schema.allOf ? " and " : " or ") : "", ...typeOf(choice)]);
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items ?? {})];
  return [schema.format ?? schema.type ?? "anything", limits(schema)];
}

/** A pattern is told by its description, where it has one. */
function limits(schema) {
  const known = LIMITS.filter(([key]) => key in schema && !(key === "pattern" && schema.description));
  const told = known.map(([key, before, after = ""]) => `${before}${schema[key]}${schema[key] === 1 ? after.replace(/s$/, "") : after}`);
  return told.length ? ` (${told.join(", ")})` : "";
}

function standard(schema) {
  const { default: value } = schema;
  return value === undefined || value === null || (Array.isArray(value) && !value.length) || value === "" ? null : el("span", { class: "soft" }, `, default ${JSON.stringify(value)}`);
}

/** A table of rows: [name, small print, what it is]. */
export function table(rows) {
  return el("table", {}, el("tbody", {}, ...rows.map(([name, small, what]) =>
    el("tr", {}, el("th", { scope: "row" }, el("code", {}, name), small ? el("small", {}, small) : null), el("td", {}, ...what)))));
}

/** What is said of a schema, or of the first of its choices that says something. */
const said = (schema) => schema.description ?? (schema.anyOf ?? []).map((choice) => choice.description).find(Boolean);

/** The members of an object's schema. */
export function members(schema) {
  const required = new Set(schema.required ?? []);
  return table(Object.entries(schema.properties ?? {}).map(([name, about]) =>
    [name, required.has(name) ? null : "optional", [...typeOf(about), standard(about), said(about) ? el("p", { class: "soft" }, ...prose(said(about))) : null].filter(Boolean)]));
}

export function parameters(all) {
  return table(all.map(({ name, in: where, required, schema }) => [name, `${where}${required ? "" : ", optional"}`, [...typeOf(schema), standard(schema)].filter(Boolean)]));
}
