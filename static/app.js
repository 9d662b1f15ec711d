// The page: who looks, at what, and how the connection is.

import { byId, el, setText } from "./dom.js";
import { List } from "./list.js";
import { People } from "./people.js";
import { isSameList, listAddress, routeOf } from "./router.js";
import { Sessions } from "./sessions.js";
import { keepVisits, takeVisits } from "./visits.js";

const TICK = 1_000;
const SLOW_TICKS = 20;
const SAID_FOR = 5_000;
const WARM_AFTER = 2_000;

const main = byId("main");
const who = { actor: null, isDemo: false };
const people = new People(become);
let hub = null; // its client is loaded beside the first list, which does not wait for it
let frame = null;
let ticks = 0;

const sessions = new Sessions({ changed: render, say, signedOut });
const list = new List({
  act: (name, id) => sessions.act(name, id),
  find,
  more: () => sessions.more(),
  again: () => sessions.load(),
});
let view = list;
let route = { name: "list", id: null, wanted: sessions.wanted };
let listAt = 0;
let isStart = true;
let wasOpen = false;

// What is shown.

function render() {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    view.update({ sessions, who, now: Date.now() });
    showTitle();
  });
}

function showTitle() {
  const title = `${view.title} · Live Session Hub`;
  if (document.title !== title) document.title = title;
}

/** What the list's form says stands in the address, for a reload and for the way back; not each letter in the history. */
function find(wanted) {
  history.replaceState(null, "", listAddress(wanted));
  return sessions.find(wanted);
}

/** The list that an address asks for, which may be another one than is shown. */
function showList(wanted) {
  list.write(wanted);
  if (isSameList(wanted, sessions.wanted)) return;
  sessions.find(wanted);
}

/** The address has changed: another view, its title, its heading's focus, and the list where it was left. */
async function show() {
  if (view.stays?.()) return;
  const next = routeOf(location.hash);
  if (next.wanted && !isStart) showList(next.wanted);
  if (next.name === route.name && next.id === route.id) return;
  if (view === list && !isStart) listAt = window.scrollY;
  if (isStart) main.replaceChildren();
  route = next;
  const made = await viewOf(next);
  if (route !== next) return made.close?.();
  view.close?.();
  view = made;
  main.replaceChildren(view.node);
  sessions.open(next.id);
  view.update({ sessions, who, now: Date.now() });
  showTitle();
  window.scrollTo(0, view === list ? listAt : 0);
  if (!isStart) focusHeading();
}

const focusHeading = () => (main.querySelector("h1:not([hidden] *)") ?? main).focus({ preventScroll: true });

async function viewOf({ name, id }) {
  if (name === "list") return list;
  try {
    if (name === "one") {
      const { One } = await import("./one.js");
      return new One(id, { back: listAddress(sessions.wanted), act: (action, of) => sessions.act(action, of), again: () => sessions.refresh(id), say });
    }
    const { FormPage, Lost } = await import("./pages.js");
    return name === "lost" ? new Lost() : new FormPage(id, { sessions, say });
  } catch {
    return { title: "Not loaded", node: unloaded(), update: () => {} };
  }
}

function unloaded() {
  const again = el("button", { type: "button", class: "button primary", onclick: () => location.reload() }, "Load again");
  return el("div", { class: "state" }, el("h1", { tabindex: "-1" }, "This view could not be loaded"), el("p", {}, "The hub can't be reached right now."), again);
}

/** A short notice, also read aloud. */
function say(text) {
  const box = byId("notice");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(say.fading);
  say.fading = setTimeout(() => box.classList.remove("shown"), SAID_FOR);
}

function showConnection() {
  if (!hub) return;
  const { name, retryAt, reason } = hub.connection;
  const wait = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
  wasOpen ||= name === "open";
  const again = wasOpen ? "Reconnecting…" : "Connecting…"; // one word for all tries: it is read aloud
  const words = { connecting: again, open: "Live", waiting: again, stopped: "Stopped" };
  const box = byId("connection");
  box.dataset.state = name;
  box.title = reason ?? "The connection to the hub";
  setText(byId("connection-text"), words[name]);
  setText(byId("connection-wait"), name === "waiting" && wait > 1 ? `in ${wait} s` : "");
  byId("retry").hidden = name !== "stopped" && !(name === "waiting" && wait > 1);
}

// Who looks.

async function become(actor) {
  who.actor = actor;
  people.show(actor);
  byId("groups")?.setAttribute("aria-busy", "true");
  await sessions.become(actor);
  if (view === list) history.replaceState(null, "", listAddress(sessions.wanted)); // a watcher has nothing of their own in it
  if (hub) await sessions.rejoin(takeVisits(actor));
}

async function signedOut(why) {
  const other = await people.refused();
  await become(other);
  say(other ? `The hub began anew: you are ${other.name} now.` : `${why} You are a watcher now.`);
}

async function begin() {
  const actor = await people.load();
  Object.assign(who, { actor, isDemo: people.isDemo });
  people.show(actor);
  if (!actor) return render();
  sessions.actor = actor;
  sessions.load();
  if (route.id !== null) sessions.open(route.id);
}

async function goLive(known) {
  const { connect } = await import("./hub-client.js");
  hub = connect({ token: async () => (await known, who.actor?.token ?? null) });
  hub.on("connection", showConnection);
  hub.on("refused", ({ message }) => signedOut(message));
  byId("retry").addEventListener("click", () => hub.retry());
  sessions.follow(hub);
  showConnection();
  await known;
}

const { wanted } = routeOf(location.hash);
if (wanted) {
  list.write(wanted);
  Object.assign(sessions.wanted, wanted);
}
sessions.load();
const known = begin();
goLive(known).then(() => sessions.rejoin(takeVisits(who.actor)));
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
history.scrollRestoration = "manual";
window.addEventListener("hashchange", show);
window.addEventListener("pagehide", () => keepVisits(who.actor, sessions.visits()));
setInterval(() => {
  const now = Date.now();
  showConnection();
  sessions.tick(now);
  view.tick?.(now);
  ticks += 1;
  if (ticks % SLOW_TICKS === 0) render();
}, TICK);
await show();
isStart = false;
setTimeout(() => import("./one.js").catch(() => null), WARM_AFTER); // a click must not wait for it, nor find the hub away
