// The page: what a click asks of the hub, and where what the hub says goes.

import * as api from "./api.js";
import { CreateForm } from "./create.js";
import { byId } from "./dom.js";
import { inLocalTime } from "./format.js";
import { People } from "./people.js";
import { HubSocket } from "./socket.js";
import { isHeld, Store } from "./store.js";
import { View } from "./view.js";

const WATCH_AT_ONCE = 100;
const SPREAD = 1_500;
const DONE = {
  book: (booking) => (booking.status === "pending" ? "Seat held. It is yours once it is paid." : "Seat booked."),
  cancelBooking: () => "Booking cancelled. The seat is free again.",
  start: () => "The session is live.",
  end: () => "The session has ended.",
};

const state = { actor: null, filter: "open", q: "", loading: true, failure: null };
const store = new Store();
const watched = new Set();
const rosterAsked = new Map();
let latest = 0;
let connection = { name: "connecting" };
let frame = null;

const socket = new HubSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  state: connectionChanged,
  open: opened,
  message: received,
  tokenEnded: () => signedOut("Your sign-in has ended."),
});
const view = new View({ act, again: () => load(), retry: () => socket.connect() });
const people = new People(become);
const form = new CreateForm(create);

function render() {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    view.render(state, store.list());
  });
}

// What is shown.

async function load(quiet = false) {
  latest += 1;
  const run = latest;
  state.loading = state.loading || !quiet;
  render();
  try {
    const rows = await api.sessions(state, state.actor);
    if (run !== latest) return;
    store.show(rows, quiet);
    Object.assign(state, { loading: false, failure: null });
    watchShown();
  } catch (problem) {
    if (run !== latest) return;
    if (problem.code === "token_expired" || problem.code === "unauthenticated") return void signedOut("Your sign-in was not accepted.");
    state.failure = quiet && store.shown.length ? null : problem.message;
    state.loading = false;
  }
  render();
}

/** Soon, but not all pages of all people at once. */
function loadSoon() {
  if (loadSoon.timer) return;
  loadSoon.timer = setTimeout(() => {
    loadSoon.timer = null;
    load(true);
  }, Math.random() * SPREAD);
}

function watchShown() {
  if (!socket.isOpen) return;
  const wanted = new Set(store.shown);
  const gone = [...watched].filter((id) => !wanted.has(id));
  const fresh = [...wanted].filter((id) => !watched.has(id)).slice(0, WATCH_AT_ONCE);
  if (gone.length) socket.send({ type: "unwatch", sessions: gone });
  if (fresh.length) socket.send({ type: "watch", sessions: fresh });
  for (const id of gone) watched.delete(id);
  for (const id of fresh) watched.add(id);
}

// What the socket says.

function connectionChanged(next) {
  connection = next;
  view.connection(next);
  if (next.name === "waiting" && state.loading && latest === 0) load();
}

/** Who, then the catalog, then the list, then the sessions' own states: nothing falls between. */
async function opened() {
  watched.clear();
  rosterAsked.clear();
  store.forgetRevisions();
  try {
    if (state.actor) await socket.request({ type: "auth", token: state.actor.token });
  } catch (refusal) {
    if (refusal.code === "unreachable") return;
    return void signedOut(refusal.message);
  }
  for (const { session } of store.joined()) join(session.id).catch((refusal) => cameBackTo(session.id, refusal));
  socket.send({ type: "watch", catalog: true });
  await load(true);
}

function cameBackTo(id, refusal) {
  if (refusal.code === "unreachable") return;
  store.exit(id);
  noted(id, refusal.message);
}

function received(message) {
  if (message.type === "session") {
    if (store.state(message) && isHeld(store.get(message.session).session)) loadSoon();
  } else if (message.type === "catalog") catalogued(message.session);
  else if (message.type === "roster") {
    rosterAsked.delete(message.session);
    store.roster(message);
  } else if (message.type === "presence" && !store.presence(message)) askRoster(message.session);
  else if (message.type === "expiring") view.say(`Your sign-in ends in ${message.in} seconds.`);
  else if (message.type === "error") refused(message);
  render();
}

/** A catalog message knows nothing of the caller: what is known is merged at once, the rest is asked for. */
function catalogued(session) {
  if (store.get(session.id)) store.merge(session);
  if (state.actor || !store.get(session.id)) loadSoon();
}

function askRoster(id) {
  if (!rosterAsked.has(id)) rosterAsked.set(id, socket.send({ type: "roster", session: id }));
}

function refused({ id, session, message }) {
  const asked = [...rosterAsked].find(([, request]) => request === id)?.[0];
  if (asked !== undefined && id !== null) {
    rosterAsked.delete(asked);
    store.noRoster(asked);
  } else if (session !== undefined) {
    store.exit(session);
    noted(session, message);
    loadSoon();
  } else view.say(message);
}

// Who the page speaks for.

async function become(actor) {
  for (const { session } of store.joined()) socket.send({ type: "leave", session: session.id });
  store.forgetPerson();
  Object.assign(state, { actor, loading: true });
  showPerson();
  socket.restart();
}

async function signedOut(why) {
  await people.refused();
  await become(null);
  view.say(`${why} You are a watcher now.`);
}

function showPerson() {
  const { actor } = state;
  people.show(actor);
  byId("hint").hidden = Boolean(actor);
  byId("new").hidden = actor?.role !== "expert";
}

// What a person does.

async function act(name, id) {
  const entry = store.get(id);
  if (!entry || entry.busy) return;
  Object.assign(entry, { busy: name, note: null });
  render();
  try {
    await (name === "join" ? join(id) : name === "leave" ? leave(id) : rest(name, id));
  } catch (problem) {
    noted(id, problem.message);
    if (problem.code !== "unreachable") loadSoon();
  }
  entry.busy = null;
  render();
}

async function join(id) {
  const { meeting } = await socket.request({ type: "join", session: id });
  store.enter(id, meeting);
  view.say(`You are in: ${store.get(id)?.session.title ?? "the session"}.`);
  render();
}

async function leave(id) {
  await socket.request({ type: "leave", session: id });
  store.exit(id);
  view.say("You have left.");
}

async function rest(name, id) {
  const answer = await api[name](id, state.actor);
  if ("revision" in answer) store.merge(answer);
  if (name === "cancelBooking") store.exit(id);
  view.say(DONE[name](answer));
  await load(true);
}

async function create(session) {
  const made = await api.create(session, state.actor);
  if (state.filter === "live" || state.filter === "past" || state.q) filterBy("open", "");
  await load(true);
  return () => {
    view.render(state, store.list());
    view.focusOn(made.id);
    view.say("Session created.");
  };
}

function noted(id, text) {
  const entry = store.get(id);
  const told = inLocalTime(text);
  if (entry) entry.note = told;
  else view.say(told);
  render();
}

function filterBy(filter, q) {
  Object.assign(state, { filter, q });
  byId("q").value = q;
  document.querySelector(`input[name=filter][value=${filter}]`).checked = true;
}

function searched(wait) {
  clearTimeout(searched.timer);
  searched.timer = setTimeout(() => {
    const filter = document.querySelector("input[name=filter]:checked").value;
    Object.assign(state, { filter, q: byId("q").value.trim() });
    load();
  }, wait);
}

byId("find").addEventListener("submit", (event) => event.preventDefault());
byId("q").addEventListener("input", () => searched(250));
byId("find").addEventListener("change", (event) => event.target.name === "filter" && searched(0));
byId("new").addEventListener("click", () => form.open());
setInterval(() => view.connection(connection), 1_000);
setInterval(render, 20_000);

state.actor = await people.load();
showPerson();
socket.connect();
setTimeout(() => latest === 0 && load(), 1_500);
