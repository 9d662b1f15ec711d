// What is followed, joined and told: the order at each connect, and which states count.

import assert from "node:assert/strict";
import test, { mock } from "node:test";

import { agree, dice, pass, Refusal, refusal, settled, state, world } from "./scripted.mjs";

test("at each connect it says who, then where it is, then what it follows, and is open when all is answered", async () => {
  const here = world({ token: () => "ann" });
  here.client.watchCatalog();
  here.client.watch(Array.from({ length: 250 }, (_, index) => index + 1));
  await settled();
  await here.client.join(7);
  here.socket.end(1006);
  await pass(1_000);
  const said = here.socket.sent.map(({ type, sessions, catalog }) => [type, sessions?.length ?? catalog].flatMap((part) => part ?? []));
  assert.deepEqual(said, [["auth"], ["join"], ["watch", 100], ["watch", 100], ["watch", 50], ["watch", true]]);
  assert.deepEqual(here.of("joined").map(({ again }) => again), [false, true]);
  assert.equal(here.client.connection.name, "open");
});

test("it is open only once the catalog is subscribed to, so that a list read then misses nothing", async () => {
  let answer;
  const here = world({
    hub: (message, socket) => message.catalog && ((answer = () => socket.say(agree(message)[0])), []),
  });
  here.client.watchCatalog();
  await settled();
  assert.equal(here.client.connection.name, "connecting");
  answer();
  await settled();
  assert.equal(here.client.connection.name, "open");
});

test("what is asked for in one turn goes out as one message, and what cancels out not at all", async () => {
  const here = world();
  await settled();
  for (let id = 1; id <= 40; id += 1) here.client.watch(id);
  here.client.watch(41)();
  await settled();
  assert.deepEqual(here.socket.said, [["watch", Array.from({ length: 40 }, (_, index) => index + 1)]]);
});

test("watching is counted: only the last unwatch is told, once", async () => {
  const here = world();
  const first = here.client.watch([1, 2]);
  const second = here.client.watch(1);
  await settled();
  here.socket.say(state(1, 5));
  first();
  first();
  await settled();
  assert.deepEqual(here.socket.said.slice(1), [["unwatch", [2]]]);
  assert.equal(here.client.state(1).revision, 5);
  second();
  await settled();
  assert.deepEqual(here.socket.said.slice(2), [["unwatch", [1]]]);
  assert.equal(here.client.state(1), undefined);
});

test("the catalog is left with its last follower", async () => {
  const here = world();
  const changes = [];
  const unwatch = here.client.watchCatalog((change) => changes.push(change.session.id));
  await settled();
  here.socket.say({ type: "catalog", session: { id: 4, revision: 1 } });
  unwatch();
  await settled();
  here.socket.say({ type: "catalog", session: { id: 5, revision: 1 } });
  assert.deepEqual(here.socket.said, [["watch", "catalog"], ["unwatch", "catalog"]]);
  assert.deepEqual([changes, here.of("catalog").map(({ session }) => session.id)], [[4], [4]]);
});

test("a listener hears of its own sessions, first what is known already, and nothing after it has gone", async () => {
  const here = world();
  const [early, late] = [[], []];
  here.client.watch([1, 2], ({ revision }) => early.push(revision));
  await settled();
  here.socket.say(state(1, 5));
  const unwatch = here.client.watch(1, ({ revision }) => late.push(revision));
  assert.deepEqual(late, []);
  await settled();
  here.socket.say(state(2, 9));
  here.socket.say(state(1, 6));
  unwatch();
  here.socket.say(state(1, 7));
  assert.deepEqual([early, late], [[5, 9, 6, 7], [5, 6]]);
});

for (let seed = 1; seed <= 60; seed += 1) {
  test(`old revisions are dropped, whatever the order: ${seed}`, async () => {
    const roll = dice(seed);
    const here = world({ random: 0 });
    here.client.watch([1, 2]);
    await settled();
    const newest = new Map();
    const expected = [];
    for (let turn = 0; turn < 60; turn += 1) {
      if (roll(12) === 0) {
        here.socket.end(1006);
        await pass(1);
        newest.clear(); // the first of each connection is believed
      }
      const [session, revision] = [1 + roll(2), 1 + roll(20)];
      const known = here.client.state(session);
      here.socket.say(state(session, revision, { live: revision }));
      if (revision <= (newest.get(session) ?? 0)) continue;
      newest.set(session, revision);
      if (known?.revision !== revision) expected.push([session, revision]);
    }
    assert.deepEqual(here.of("session").map(({ session, revision }) => [session, revision]), expected);
  });
}

test("while away the last state stands, and the same one is not told again", async () => {
  const here = world();
  here.client.watch(1);
  await settled();
  here.socket.say(state(1, 5, { live: 3 }));
  here.socket.end(1006);
  assert.equal(here.client.state(1).live, 3);
  await pass(1_000);
  here.socket.say(state(1, 5, { live: 3 }));
  assert.equal(here.of("session").length, 1);
});

test("a hub that began anew is believed though its revisions are lower", async () => {
  const here = world();
  here.client.watch(1);
  await settled();
  here.socket.say(state(1, 50, { live: 3 }));
  here.socket.end(1006);
  await pass(1_000);
  for (const revision of [2, 1, 3]) here.socket.say(state(1, revision));
  assert.deepEqual(here.of("session").map(({ revision }) => revision), [50, 2, 3]);
});

test("a session that does not exist is told as missing", async () => {
  const here = world({ hub: ({ type, id }) => type === "watch" && [{ type: "ok", id, missing: [9] }] });
  here.client.watch([8, 9]);
  await settled();
  assert.deepEqual(here.of("missing"), [{ session: 9 }]);
});

test("a listener that throws is reported, and disturbs nobody", async () => {
  const here = world();
  const reported = mock.method(console, "error", () => {});
  const heard = [];
  here.client.on("session", () => {
    throw new Error("mine");
  });
  here.client.on("session", ({ revision }) => heard.push(revision));
  here.client.watch(1, () => {
    throw new Error("mine too");
  });
  await settled();
  here.socket.say(state(1, 1));
  here.socket.say(state(1, 2));
  assert.deepEqual(heard, [1, 2]);
  assert.deepEqual(reported.mock.calls.map(({ arguments: [error] }) => error.message), ["mine", "mine too", "mine", "mine too"]);
});

test("a watch that passes over is tried again until it succeeds", async () => {
  let refusals = 3;
  const here = world({ hub: (message) => message.type === "watch" && refusals-- > 0 && refusal(message, "unavailable") || null });
  here.client.watch([1, 2]);
  await pass(10_000, 100);
  assert.deepEqual(here.socket.said, Array(4).fill(["watch", [1, 2]]));
});

test("joining waits until it is open, and is refused in time when it is not", async () => {
  const here = world({ welcome: false, token: () => "ann" });
  const early = here.client.join(1);
  here.socket.say({ type: "welcome" });
  assert.deepEqual(await early, { participant: "visit-1", meeting: null });
  here.socket.end(1006);
  const late = here.client.join(2);
  const refused = assert.rejects(late, (error) => error instanceof Refusal && error.code === "unreachable" && error.session === 2);
  await pass(15_000, 500);
  await refused;
  assert.equal(here.client.isIn(1), true);
  assert.equal(here.client.isIn(2), false);
});

test("a join that the hub refuses rejects with its code and words, and is not tried again", async () => {
  const here = world({ token: () => "ann", hub: (message) => message.type === "join" && refusal(message, "not_booked", "Book first.") || null });
  await assert.rejects(here.client.join(1), { name: "Refusal", code: "not_booked", message: "Book first.", session: 1 });
  here.socket.end(1006);
  await pass(1_000);
  assert.deepEqual(here.socket.said, [["auth"]]);
});

test("a join whose connection is lost is refused, and not repeated behind one's back", async () => {
  const here = world({ token: () => "ann", hub: ({ type }) => (type === "join" ? [] : null) });
  const asked = assert.rejects(here.client.join(1), { code: "unreachable" });
  await settled();
  here.socket.end(1006);
  await asked;
  await pass(1_000);
  assert.deepEqual(here.socket.said, [["auth"]]);
});

test("who leaves while away is not brought back", async () => {
  const here = world({ token: () => "ann" });
  await here.client.join(1);
  here.socket.end(1006);
  await here.client.leave(1);
  await pass(1_000);
  assert.deepEqual(here.socket.said, [["auth"]]);
  assert.deepEqual(here.of("ejected"), []);
});

test("who leaves before the hub has answered the join is out", async () => {
  const here = world({ token: () => "ann" });
  await settled();
  const joining = here.client.join(1);
  await null;
  await Promise.all([joining, here.client.leave(1)]);
  assert.deepEqual(here.socket.said.slice(1), [["join", 1], ["leave", 1]]);
  assert.equal(here.client.isIn(1), false);
  assert.deepEqual(here.of("joined"), []);
});

for (const [what, end, code] of [
  ["the seat is cancelled", ({ socket }) => socket.say({ type: "error", id: null, session: 1, code: "not_booked", message: "Gone." }), "not_booked"],
  ["the session has ended", ({ socket }) => socket.say(state(1, 9, { status: "ended" })), "not_active"],
  ["the session is cancelled", ({ socket }) => socket.say(state(1, 9, { status: "cancelled" })), "not_active"],
]) {
  test(`when ${what} we are out, told once, and do not come back into it`, async () => {
    const here = world({ token: () => "ann" });
    await here.client.join(1);
    end(here);
    end(here);
    assert.deepEqual(here.of("ejected").map((told) => [told.session, told.code]), [[1, code]]);
    assert.equal(here.client.isIn(1), false);
    here.socket.end(1006);
    await pass(1_000);
    assert.deepEqual(here.socket.said, [["auth"]]);
  });
}

test("who is not let in again is told, and who meets a hub out of breath is let in later", async () => {
  let answers = [];
  const here = world({ token: () => "ann", hub: (message) => (message.type === "join" && answers.length ? refusal(message, answers.shift()) : null) });
  await here.client.join(1);
  await here.client.join(2);
  answers = ["unavailable", "not_booked", "unavailable"];
  here.socket.end(1006);
  await pass(5_000, 100);
  assert.deepEqual(here.of("ejected").map(({ session, code }) => [session, code]), [[2, "not_booked"]]);
  assert.deepEqual(here.of("joined").map(({ session, again }) => [session, again]), [[1, false], [2, false], [1, true]]);
  assert.equal(here.client.isIn(1), true);
});

for (const id of [0, -1, 1.5, "1", null, undefined, 2 ** 31, NaN]) {
  test(`${String(id)} is no session's id`, async () => {
    const { client } = world();
    assert.throws(() => client.watch(id), TypeError);
    await assert.rejects(client.join(id), TypeError);
    await assert.rejects(client.leave(id), TypeError);
  });
}

test("wrong listeners, events and too many sessions are refused by sentences", () => {
  const { client } = world();
  assert.throws(() => client.on("toString", () => {}), /There is no event "toString"/);
  assert.throws(() => client.on("session", null), /must be a function/);
  assert.throws(() => client.watch(1, 5), /must be a function/);
  assert.throws(() => client.watchCatalog({}), /must be a function/);
  assert.throws(() => client.watch(Array.from({ length: 501 }, (_, index) => index + 1)), RangeError);
});
