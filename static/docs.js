// The reference: the OpenAPI and AsyncAPI documents of this very hub, as one page, without anything from elsewhere.

import { chooseAsBefore } from "./docs-code.js";
import { findable } from "./docs-find.js";
import { clients, closes, conventions, messages, routes, types } from "./docs-parts.js";
import { byId, el } from "./dom.js";

async function read(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}.`);
  return answer.json();
}

/** A part of the page and of the navigation; `items` are {id, mark?, name, node}. */
function part(id, title, items) {
  const links = items.map(({ id: to, mark, name }) => el("li", {}, el("a", { href: `#${to}`, "data-method": mark }, mark ? el("b", {}, mark, " ") : null, el("span", {}, name))));
  byId("nav").append(el("section", {}, el("h2", {}, el("a", { href: `#${id}` }, title)), el("ul", {}, ...links)));
  byId("sections").append(el("section", { class: "part", id }, el("h2", {}, title), ...items.map(({ node }) => node)));
}

try {
  const [openapi, asyncapi] = await Promise.all([read("/openapi.json"), read("/asyncapi.json")]);
  byId("lead").textContent = openapi.info.description;
  part("clients", "Clients", clients(location.origin));
  const [rest, beside] = [[], []];
  for (const route of [conventions(openapi), ...routes(openapi, location.origin)]) (route.path.startsWith("/api/") ? rest : beside).push(route);
  part("routes", "REST, under /api/live-sessions", rest);
  part("say", asyncapi.operations.say.summary, messages(asyncapi, "say"));
  part("tell", asyncapi.operations.tell.summary, messages(asyncapi, "tell"));
  part("close-codes", "Close codes", closes(asyncapi));
  part("beside", "Beside REST", beside);
  part("types", "Types", types(openapi, asyncapi));
  chooseAsBefore();
  byId("status").hidden = true;
  byId("contents").hidden = false;
  findable();
} catch (problem) {
  byId("status").textContent = `The reference could not be loaded. ${problem.message}`;
}
