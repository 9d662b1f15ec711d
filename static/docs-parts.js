// The articles of the reference: a route, a message, the close codes, a type, how one connects.

import { code } from "./docs-code.js";
import { el } from "./dom.js";
import { members, nameOf, parameters, prose, table, typeOf } from "./schema.js";
import { connected, curl, exampleOf, javascript, ON_THE_CLIENT, pageThatWatches } from "./snippets.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const BASE = "/api/live-sessions";
const AS_JSON = (value) => JSON.stringify(value, null, 2);

/** What stands in the page by its anchor `id`; `short` is its name in the navigation. */
function item(id, mark, name, short, ...content) {
  const heading = el("h3", {}, mark ? el("b", {}, mark) : null, name, " ", el("a", { class: "anchor", href: `#${id}`, "aria-label": `Link to ${mark ?? ""} ${name}` }, "#"));
  return { id, mark, name: short, node: el("article", { class: "item", id, "data-method": mark }, heading, ...content.filter(Boolean)) };
}

const needs = (about) => about.security?.some((one) => !Object.keys(one).length) ? "Anyone, signed in or not." : (about.description ?? "Needs a token.");

/** All routes. Refusals that most routes share stand apart in each: what is its own is what is read. */
export function routes(openapi, origin) {
  const all = Object.entries(openapi.paths).flatMap(([path, methods]) => METHODS.filter((method) => methods[method]).map((method) => [path, method, methods[method]]));
  const told = all.flatMap(([, , { responses }]) => Object.entries(responses).map(([status, { description }]) => status + description));
  const usual = ([status, { description }]) => status >= "400" && told.filter((one) => one === status + description).length > all.length / 3;
  return all.sort(([one], [other]) => one.localeCompare(other)).map(([path, method, about]) => operation(openapi, path, method, about, usual, origin));
}

function operation(openapi, path, method, about, usual, origin) {
  const answers = Object.entries(about.responses);
  const [own, shared] = [answers.filter((one) => !usual(one)), answers.filter(usual)];
  const asked = `${method.toUpperCase()} ${path}`;
  return { path, ...item(
    about.operationId, method.toUpperCase(), path, path.replace(BASE, "") || "/",
    el("p", {}, ...prose(about.summary)),
    el("p", { class: "soft" }, ...prose(needs(about))),
    code(asked, { curl: curl(path, method, about, origin), JavaScript: javascript(path, method, about, origin) }),
    about.parameters?.length ? el("h4", {}, "Parameters") : null,
    about.parameters?.length ? parameters(about.parameters) : null,
    ...body(openapi, about.requestBody),
    el("h4", {}, "Answers"),
    table(own.map(([status, response]) => [status, null, answer(response, asked)])),
    shared.length ? el("details", {}, el("summary", {}, "As from other routes: ", shared.map(([status]) => status).join(", ")), table(shared.map(([status, response]) => [status, null, answer(response)]))) : null,
  ) };
}

function body(openapi, about) {
  if (!about) return [];
  const [[type, { schema }]] = Object.entries(about.content);
  const known = (schema.anyOf ?? [schema])[0];
  return [
    el("h4", {}, "Body, ", type),
    members(openapi.components.schemas[nameOf(known.$ref)]),
    schema.anyOf ? el("p", { class: "soft" }, ...schema.anyOf.slice(1).map((one) => one.description)) : null,
  ];
}

function answer({ description, content = {}, headers = {} }, asked) {
  const [[type, media] = []] = Object.entries(content);
  const refused = type?.includes("problem");
  const parts = refused ? description.split("\n\n").map((line) => el("p", {}, ...prose(line))) : [el("p", {}, ...shape(type, media?.schema))];
  const named = Object.keys(headers).filter((name) => !name.startsWith("RateLimit")).flatMap((name, index) => [index ? ", " : "With ", el("code", {}, name)]);
  const example = exampleOf(media);
  return [
    ...parts,
    named.length ? el("p", { class: "soft" }, ...named) : "",
    example === undefined ? "" : el("details", {}, el("summary", {}, "Example"), code(`the answer to ${asked}`, { [type]: asText(type, example) })),
  ];
}

function asText(type, example) {
  if (type === "text/event-stream") return `event: ${example.event}\nid: ${example.id}\ndata: ${example.data}\n`;
  return typeof example === "string" ? example : AS_JSON(example);
}

function shape(type, schema) {
  if (!schema) return ["No body"];
  const { data, pagination } = schema.properties ?? {};
  const what = data && schema.properties.success ? [el("code", {}, "data"), ": ", ...typeOf(data), pagination ? ", with its page" : ""] : typeOf(schema);
  return [...what, el("span", { class: "soft" }, `, ${type}`)];
}

/** The messages of one direction: `say` or `tell`. */
export function messages({ operations, components }, id) {
  return operations[id].messages.map(({ $ref }) => {
    const { name, summary, payload, examples } = components.messages[nameOf($ref)];
    const script = ON_THE_CLIENT[name];
    return item(`${id}-${name}`, null, name, name,
      el("p", {}, ...prose(summary)),
      ...examples.map(({ summary: when, payload: said }, index) =>
        code(`${name}, ${when}`, { JSON: AS_JSON(said), ...(script && !index ? { JavaScript: script } : {}) }, when)),
      script ? null : el("p", { class: "soft" }, "hub-client.js takes care of this by itself."),
      members(components.schemas[nameOf(payload.$ref)]));
  });
}

/** The close codes stand in the description, a line each: "- 1012, come back: …". */
export function closes(asyncapi) {
  const codes = [...asyncapi.info.description.matchAll(/^- (\d+), ([^:]+): (.+)$/gm)];
  const rows = codes.map(([, number, what, reason]) => [number, what === "come back" ? "come back" : "stay away", [`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`]]);
  return [item("closes", null, "Why the hub closes a socket", "all of them",
    el("p", {}, "Come back after a pause that grows and is random, or after the seconds that ", el("a", { href: "#tell-drain" }, "drain"), " told: hub-client.js does. Any other code, like 1006, is a connection that was lost: come back, too."),
    table(rows))];
}

/** Every named type of both documents. */
export function types(openapi, asyncapi) {
  const of = new Set(Object.values(asyncapi.components.messages).map(({ payload }) => nameOf(payload.$ref)));
  const shared = Object.entries(asyncapi.components.schemas).filter(([name]) => !of.has(name));
  const all = Object.entries({ ...Object.fromEntries(shared), ...openapi.components.schemas });
  return all.sort(([one], [other]) => one.localeCompare(other)).map(([name, schema]) => item(`schema-${name}`, null, name, name,
    schema.description ? el("p", {}, ...prose(schema.description)) : null,
    schema.properties ? members(schema) : el("p", {}, ...typeOf(schema)),
    schema.examples ? code(`a ${name}`, { JSON: AS_JSON(schema.examples[0]) }) : null));
}

/** What all routes have in common. */
export function conventions(openapi) {
  const { Problem } = openapi.components.schemas;
  const types = Object.values(openapi.paths).flatMap((methods) => Object.values(methods)).flatMap(({ responses }) => Object.values(responses));
  const told = Object.entries(Object.assign({}, ...types.map(({ headers }) => headers))).filter(([name]) => name.startsWith("RateLimit"));
  return { path: "/api/", ...item("answers", null, "Every answer", "Every answer",
    el("p", {}, "Success is ", el("code", {}, '{"success": true, "data": …}'), ", a list adds its ", el("code", {}, "pagination"), ". A refusal has a ", el("code", {}, "code"), " that never changes, a sentence for people, and for wrong input a pointer to each fault:"),
    code("a refusal", { "application/problem+json": AS_JSON(Problem.examples[0]) }),
    el("p", {}, "Each answer that is counted says how one stands:"),
    table(told.map(([name, { description }]) => [name, null, [description]]))) };
}

/** What is needed before the first example. */
export function clients(origin) {
  return [
    item("client-curl", null, "curl", "curl",
      el("p", {}, "The examples read two variables: whose token it is, and a session's id."),
      code("the variables of a shell", { shell: 'export TOKEN=…   # hub token --sub ada --role student --name "Ada"\nexport ID=1' })),
    item("client-javascript", null, "JavaScript", "JavaScript",
      el("p", {}, el("a", { href: "/static/hub-client.js" }, "hub-client.js"), " (types: ", el("a", { href: "/static/hub-client.d.ts" }, "hub-client.d.ts"), ") watches, joins and leaves over one socket. It comes back by itself, renews the token, drops what is old and repairs the roster. A page from another origin needs ", el("code", {}, "HUB_ALLOWED_ORIGINS"), "."),
      code("a page that watches session 1", { HTML: pageThatWatches(origin) }),
      code("the hub that the messages' examples use", { JavaScript: connected(origin) })),
    item("client-python", null, "Python", "Python",
      el("p", {}, "The same promises, async, in ", el("code", {}, "hub.client"), "."),
      code("a session followed in Python", { Python: `from hub.client import connect\n\nasync with connect("${origin}", token=fetch_token) as hub:\n    async for state in hub.watch(1):\n        print(state.live)` })),
  ];
}
