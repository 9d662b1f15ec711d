// The reference: the OpenAPI and AsyncAPI documents of this very hub, as one page, without anything from elsewhere.

import { byId, el } from "./dom.js";
import { members, nameOf, parameters, prose, table, typeOf } from "./schema.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

async function read(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}.`);
  return answer.json();
}

/** A part of the page and of the navigation; `items` are {id, mark?, name, node}. */
function part(id, title, items) {
  byId("nav").append(
    el("h2", {}, el("a", { href: `#${id}` }, title)),
    el("ul", {}, ...items.map(({ id: to, mark, name }) => el("li", {}, el("a", { href: `#${to}` }, mark ? el("b", {}, mark) : null, name.replace("/api/live-sessions", "") || "/")))),
  );
  byId("sections").append(el("section", { class: "part", id }, el("h2", {}, title), ...items.map(({ node }) => node)));
}

function item(id, mark, name, ...content) {
  const heading = el("h3", {}, mark ? el("b", {}, mark) : null, name);
  return { id, mark, name, node: el("article", { class: "item", id }, heading, ...content.filter(Boolean)) };
}

function operation(path, method, about) {
  const needs = about.security?.some((one) => Object.keys(one).length === 0) ? "Anyone, signed in or not." : (about.description ?? "Needs a token.");
  const body = about.requestBody && Object.entries(about.requestBody.content);
  return item(
    about.operationId, method.toUpperCase(), path,
    el("p", {}, ...prose(about.summary)),
    el("p", { class: "soft" }, ...prose(needs)),
    about.parameters?.length ? el("h4", {}, "Parameters") : null,
    about.parameters?.length ? parameters(about.parameters) : null,
    body ? el("h4", {}, "Body") : null,
    body ? table(body.map(([type, { schema }]) => [type, null, typeOf(schema)])) : null,
    el("h4", {}, "Answers"),
    table(Object.entries(about.responses).map(([status, response]) => [status, null, answer(response)])),
  );
}

function answer({ description, content = {}, headers = {} }) {
  const [[type, { schema } = {}] = []] = Object.entries(content);
  const parts = type?.includes("problem") ? [] : [el("p", {}, ...shape(type, schema))];
  const told = type?.includes("problem") ? description.split("\n\n").map((line) => el("p", {}, ...prose(line))) : [];
  const named = Object.keys(headers).map((name) => el("code", {}, name));
  return [...parts, ...told, named.length ? el("p", { class: "soft" }, "With ", ...named) : ""];
}

function shape(type, schema) {
  if (!schema) return ["No body"];
  const { data, pagination } = schema.properties ?? {};
  return data ? [el("code", {}, "data"), ": ", ...typeOf(data), pagination ? ", with its page" : ""] : [...typeOf(schema), el("span", { class: "soft" }, `, ${type}`)];
}

function routes(openapi) {
  const all = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => operation(path, method, methods[method])));
  part("routes", "REST, under /api/live-sessions", all);
}

function messages(asyncapi) {
  const { operations, components } = asyncapi;
  for (const [id, { summary, messages: told }] of Object.entries(operations)) {
    part(id, summary, told.map(({ $ref }) => {
      const { name, summary: about, payload } = components.messages[nameOf($ref)];
      const schema = payload.$ref ? components.schemas[nameOf(payload.$ref)] : payload;
      return item(`${id}-${name}`, null, name, el("p", {}, ...prose(about)), members(schema));
    }));
  }
}

/** The close codes stand in the description, a line each: "- 1012, come back: …". */
function closeCodes(asyncapi) {
  const codes = [...asyncapi.info.description.matchAll(/^- (\d+), ([^:]+): (.+)$/gm)];
  const rows = codes.map(([, code, what, reason]) => [code, null, [`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`, el("p", { class: "soft" }, what === "come back" ? "Come back." : "Do not come back.")]]);
  part("close-codes", "Close codes", [item("closes", null, "Why the hub closes a socket", table(rows))]);
}

function schemas(openapi, asyncapi) {
  const of = new Set(Object.values(asyncapi.components.messages).map(({ payload }) => payload.$ref && nameOf(payload.$ref)));
  const shared = Object.entries(asyncapi.components.schemas).filter(([name]) => !of.has(name));
  const all = { ...Object.fromEntries(shared), ...openapi.components.schemas };
  part("types", "Types", Object.entries(all).sort(([one], [other]) => one.localeCompare(other)).map(([name, schema]) =>
    item(`schema-${name}`, null, name, schema.description ? el("p", {}, ...prose(schema.description)) : null,
      schema.properties ? members(schema) : el("p", {}, ...typeOf(schema)))));
}

try {
  const [openapi, asyncapi] = await Promise.all([read("/openapi.json"), read("/asyncapi.json")]);
  byId("lead").textContent = openapi.info.description;
  routes(openapi);
  messages(asyncapi);
  closeCodes(asyncapi);
  schemas(openapi, asyncapi);
  byId("status").hidden = true;
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
} catch (problem) {
  byId("status").textContent = `The reference could not be loaded. ${problem.message}`;
}
