// Who is present: kept whole, whatever is lost on the way.

import assert from "node:assert/strict";
import test from "node:test";

import { dice, pass, person, refusal, settled, state, world } from "./scripted.mjs";

const roster = (revision, ids) => ({ type: "roster", session: 1, revision, participants: ids.map(person) });
const presence = (revision, previous, joined, left = []) => ({
  type: "presence", session: 1, revision, previous, joined: joined.map(person), left: left.map((id) => ({ id })),
});
const ids = (people) => people && [...people.keys()];
const told = (here) => here.of("roster").map(({ people, joined, left }) => [ids(people), joined.map(({ id }) => id), left.map(({ id }) => id)]);
const asked = (here) => here.socket.sent.filter(({ type }) => type === "roster").length;

async function inside(options) {
  const here = world({ token: () => "ann", ...options });
  await here.client.join(1);
  return here;
}

test("a roster, then who came and went, in the order of coming", async () => {
  const here = await inside();
  here.socket.say(roster(5, ["ann", "bob"]));
  here.socket.say(presence(6, 5, ["cid"], ["ann"]));
  here.socket.say(presence(8, 6, ["bob"]));
  assert.deepEqual(told(here), [
    [["ann", "bob"], [], []],
    [["bob", "cid"], ["cid"], ["ann"]],
    [["cid", "bob"], [], []],
  ]);
  assert.deepEqual(ids(here.client.roster(1)), ["cid", "bob"]);
});

test("a gap asks once, and heals", async () => {
  const here = await inside();
  here.socket.say(roster(5, ["ann"]));
  here.socket.say(presence(8, 7, ["cid"]));
  here.socket.say(presence(9, 8, ["dan"]));
  assert.equal(asked(here), 1);
  assert.deepEqual(ids(here.client.roster(1)), ["ann"]);
  here.socket.say(roster(9, ["bob", "cid", "dan"]));
  here.socket.say(presence(10, 9, [], ["bob"]));
  assert.equal(asked(here), 1);
  assert.deepEqual(told(here).slice(1), [[["bob", "cid", "dan"], ["bob", "cid", "dan"], ["ann"]], [["cid", "dan"], [], ["bob"]]]);
});

for (let seed = 1; seed <= 60; seed += 1) {
  test(`whatever is lost or repeated, it is right in the end: ${seed}`, async () => {
    const roll = dice(seed);
    const present = new Set();
    let [revision, previous] = [10, 10];
    const now = () => roster(previous, [...present]);
    const tell = (socket) => queueMicrotask(() => socket.say(now())); // as it is when it goes out
    const here = await inside({ random: 0, hub: ({ type }, socket) => (type === "roster" ? (tell(socket), []) : null) });
    here.socket.say(now());
    for (let turn = 0; turn < 80; turn += 1) {
      const who = "abcdefgh"[roll(8)];
      revision += 1 + roll(2);
      const change = present.has(who) ? presence(revision, previous, [], [who]) : presence(revision, previous, [who]);
      present.delete(who) || present.add(who);
      previous = revision;
      if (roll(4) > 0) here.socket.say(change); // else lost
      if (roll(6) === 0) here.socket.say(change); // repeated
      if (roll(3) === 0) await settled();
      if (roll(20) === 0) {
        here.socket.end(1006);
        await pass(1);
        here.socket.say(now());
      }
    }
    here.socket.say(presence((revision += 1), previous, ["zoe"]));
    previous = revision;
    present.add("zoe");
    await settled();
    assert.deepEqual(new Set(ids(here.client.roster(1))), present);
  });
}

test("while away the last known people stand, and the same ones are not told again", async () => {
  const here = await inside();
  here.socket.say(roster(5, ["ann", "bob"]));
  here.socket.end(1006);
  await pass(1_000);
  assert.deepEqual(ids(here.client.roster(1)), ["ann", "bob"]);
  here.socket.say(roster(2, ["ann", "bob"]));
  here.socket.say(presence(3, 2, ["cid"]));
  assert.deepEqual(told(here), [[["ann", "bob"], [], []], [["ann", "bob", "cid"], ["cid"], []]]);
});

test("a roster that the new connection does not tell is asked for, and gone if it is forbidden", async () => {
  const here = await inside({ hub: (message) => (message.type === "roster" ? refusal(message, "forbidden") : null) });
  here.socket.say(roster(5, ["ann", "bob"]));
  here.socket.end(1006);
  await pass(5_000, 100);
  assert.equal(asked(here), 1);
  assert.deepEqual(told(here), [[["ann", "bob"], [], []], [null, [], []]]);
  assert.equal(here.client.roster(1), null);
});

test("a roster that falls behind the count, as the hub shows it no longer, is asked for once it stays so", async () => {
  const here = await inside({ hub: (message) => (message.type === "roster" ? refusal(message, "forbidden") : null) });
  here.socket.say(roster(5, ["ann", "bob"]));
  here.socket.say(state(1, 6, { live: 3 }));
  here.socket.say(presence(6, 5, ["cid"]));
  await pass(5_000);
  assert.equal(asked(here), 0);
  here.socket.say(state(1, 7, { live: 4 }));
  await pass(5_000);
  assert.equal(asked(here), 1);
  assert.equal(here.client.roster(1), null);
});

test("who was refused the roster sees it again when the hub shows it again", async () => {
  const here = await inside({ hub: (message) => (message.type === "roster" ? [roster(9, ["ann", "cid"])] : null) });
  here.socket.say(presence(9, 7, ["cid"]));
  await settled();
  assert.deepEqual(told(here), [[["ann", "cid"], [], []]]);
});

for (const [what, out] of [
  ["left", (here) => here.client.leave(1)],
  ["put out", (here) => here.socket.say({ type: "error", id: null, session: 1, code: "not_booked", message: "Gone." })],
]) {
  test(`who has ${what} has no roster`, async () => {
    const here = await inside();
    here.socket.say(roster(5, ["ann", "bob"]));
    await out(here);
    here.socket.say(roster(6, ["bob"]));
    assert.deepEqual(told(here).at(-1), [null, [], []]);
    assert.equal(here.client.roster(1), null);
  });
}
