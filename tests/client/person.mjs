// Who we are: tokens asked for, renewed and refused.

import assert from "node:assert/strict";
import test, { mock } from "node:test";

import { agree, pass, refusal, settled, world } from "./scripted.mjs";

/** A hub that refuses these tokens, each with its code. */
const refusing = (codes) => (message) => (message.type === "auth" && codes[message.token] ? refusal(message, codes[message.token]) : null);
const list = (...answers) => mock.fn(() => (answers.length > 1 ? answers.shift() : answers[0]));
const tokens = (here) => here.sockets.flatMap(({ sent }) => sent.filter(({ type }) => type === "auth").map(({ token }) => token));
const expire = (here, seconds) => here.socket.say({ type: "expiring", in: seconds });

test("a token is asked for anew at each connect", async () => {
  const here = world({ token: list("ann/1", "ann/2", "ann/3") });
  for (let turn = 0; turn < 2; turn += 1) {
    await pass(10);
    here.socket.end(1006);
    await pass(1_000);
  }
  assert.deepEqual(tokens(here), ["ann/1", "ann/2", "ann/3"]);
  assert.deepEqual(here.of("person").map(({ expiresAt }) => expiresAt), ["ann/1", "ann/2", "ann/3"]);
});

for (const token of [() => null, async () => null, () => undefined, undefined, null]) {
  test(`who has no token (${token}) is a watcher, and nothing is wrong`, async () => {
    const here = world({ token });
    here.client.watch(1);
    await settled();
    assert.deepEqual(here.socket.said, [["watch", [1]]]);
    assert.deepEqual([here.client.connection.name, here.client.person, here.of("refused")], ["open", null, []]);
  });
}

for (const [what, answers, codes, sent] of [
  ["two in a row are refused", ["bad", "worse", "ann"], { bad: "unauthenticated", worse: "token_expired" }, ["bad", "worse"]],
  ["the same refused one is given again", ["bad", "bad"], { bad: "unauthenticated" }, ["bad"]],
  ["there is none after a refused one", ["bad", null], { bad: "token_expired" }, ["bad"]],
]) {
  test(`when ${what}, it goes on as a watcher and says so once`, async () => {
    const here = world({ token: list(...answers), hub: refusing(codes) });
    here.client.watch(1);
    await settled();
    assert.deepEqual(tokens(here), sent);
    assert.equal(here.of("refused").length, 1);
    assert.equal(here.of("refused")[0].code, codes[sent.at(-1)]);
    assert.equal(here.client.connection.name, "open");
    assert.deepEqual(here.socket.said.at(-1), ["watch", [1]]);
    here.socket.end(1006);
    await pass(1_000);
    assert.deepEqual(here.socket.said, [["watch", [1]]]);
  });
}

test("after one that is refused, a better one is taken", async () => {
  const here = world({ token: list("bad", "ann"), hub: refusing({ bad: "unauthenticated" }) });
  await settled();
  assert.deepEqual([tokens(here), here.client.person.user, here.of("refused")], [["bad", "ann"], "ann", []]);
});

test("signing in asks again after a refusal", async () => {
  const here = world({ token: list("bad", "bad", "ann"), hub: refusing({ bad: "unauthenticated" }) });
  await settled();
  here.client.signIn();
  await settled();
  assert.deepEqual([here.sockets.length, here.client.person.user], [2, "ann"]);
});

test("signing in as another leaves what was joined, and keeps what is watched", async () => {
  const here = world({ token: list("ann", "bob") });
  here.client.watch(1);
  await here.client.join(2);
  here.client.signIn();
  await settled();
  assert.deepEqual(here.sockets[0].said.at(-1), ["leave", 2]);
  assert.deepEqual(here.socket.said, [["auth"], ["watch", [1]]]);
  assert.deepEqual(here.of("person").map((person) => person.user), ["ann", "bob"]);
  assert.deepEqual([here.client.isIn(2), here.of("ejected")], [false, []]);
});

test("an ended token is followed by a new one on the next socket, where one is in again", async () => {
  const here = world({ token: list("ann/1", "ann/2") });
  await here.client.join(1);
  here.socket.end(4401);
  await pass(1_000);
  assert.deepEqual(here.socket.said, [["auth"], ["join", 1]]);
  assert.deepEqual([tokens(here), here.of("refused")], [["ann/1", "ann/2"], []]);
});

for (const answers of [["ann/1", "ann/1"], ["ann/1", null]]) {
  test(`where the token ended and token() gives ${answers[1]}, it goes on as a watcher`, async () => {
    const here = world({ token: list(...answers) });
    await here.client.join(1);
    here.socket.end(4401);
    await pass(1_000);
    assert.deepEqual(tokens(here), ["ann/1"]);
    assert.deepEqual(here.of("refused").map(({ code }) => code), ["token_expired"]);
    assert.deepEqual(here.of("ejected").map(({ session, code }) => [session, code]), [[1, "token_expired"]]);
    assert.deepEqual([here.client.person, here.client.connection.name], [null, "open"]);
  });
}

test("a hub that can't say who we are is asked again later: no refusal, and nobody is put out", async () => {
  const codes = {};
  const here = world({ token: () => "ann", hub: (message) => refusing(codes)(message) });
  here.client.watch(2);
  await here.client.join(1);
  codes.ann = "unavailable";
  here.socket.end(1006);
  await pass(2_000, 100);
  assert.deepEqual(here.socket.said.filter(([type]) => type !== "auth"), [["watch", [2]]]);
  delete codes.ann;
  await pass(30_000, 500);
  assert.deepEqual(here.socket.said.filter(([type]) => type === "join"), [["join", 1]]);
  assert.deepEqual([here.of("refused"), here.of("ejected"), here.client.person.user], [[], [], "ann"]);
});

test("while token() throws, it watches, reports, and asks again", async () => {
  let isDown = true;
  const token = () => {
    if (isDown) throw new Error("the platform is down");
    return "ann";
  };
  const here = world({ token });
  const reported = mock.method(console, "error", () => {});
  here.client.watch(1);
  await pass(3_000, 100);
  assert.ok(reported.mock.callCount() > 1);
  assert.deepEqual(here.socket.said, [["watch", [1]]]);
  isDown = false;
  await pass(30_000, 500);
  assert.equal(here.client.person.user, "ann");
});

test("a join waits until it is known who joins", async () => {
  let isDown = true;
  const here = world({
    token: () => {
      if (isDown) throw new Error("the platform is down");
      return "ann";
    },
  });
  mock.method(console, "error", () => {});
  const late = assert.rejects(here.client.join(2), { code: "unreachable", session: 2 });
  await pass(14_000, 100);
  assert.deepEqual([here.client.connection.name, here.socket.said], ["open", []]);
  const joining = here.client.join(1);
  await pass(1_000, 100);
  await late;
  isDown = false;
  await pass(12_000, 100);
  await joining;
  const said = here.socket.said.filter(([type]) => type === "auth" || type === "join");
  assert.deepEqual(said, [["auth"], ["join", 1]]);
});

test("a token() that answers late, for a socket that is gone, takes nothing from the present one", async () => {
  const slow = [];
  const answers = [new Promise((resolve) => slow.push(resolve)), "ann"];
  const here = world({ token: () => answers.shift() });
  await settled();
  here.socket.end(1006);
  await pass(2_000, 100);
  assert.deepEqual([here.sockets.length, here.client.person?.user], [2, "ann"]);
  slow[0]("ann");
  await settled();
  const joining = here.client.join(1);
  await pass(1_000, 100);
  assert.ok(here.client.isIn(1));
  await joining;
});

test("a token() that never answers holds nothing up for long", async () => {
  const here = world({ token: () => new Promise(() => {}) });
  here.client.watch(1);
  await settled();
  await pass(15_000);
  assert.deepEqual(here.socket.said, [["watch", [1]]]);
});

test("before a token ends it is renewed on the same socket", async () => {
  const here = world({ token: list("ann/1", "ann/2") });
  await pass(100_000, 10_000);
  expire(here, 60);
  await pass(1);
  assert.deepEqual([tokens(here), here.sockets.length], [["ann/1", "ann/2"], 1]);
  assert.equal(here.client.person.expiresAt, "ann/2");
});

test("where renewing fails it is tried again before the end, at ever longer waits", async () => {
  const answers = ["ann/1", "ann/1", null, "throws", "bad", "ann/2"];
  const token = () => {
    if (answers[0] === "throws") throw new Error(answers.shift());
    return answers.shift();
  };
  const here = world({ token, hub: refusing({ bad: "unauthenticated" }) });
  mock.method(console, "error", () => {});
  await pass(100_000, 10_000);
  expire(here, 60);
  await pass(20_000, 100);
  assert.deepEqual([tokens(here), here.client.person.expiresAt], [["ann/1", "bad", "ann/2"], "ann/2"]);
  assert.deepEqual([here.sockets.length, here.of("refused")], [1, []]);
});

test("tokens that are short from the start are renewed at half their time, not without end", async () => {
  let count = 0;
  const hub = (message) => (message.type === "auth" ? [...agree(message), { type: "expiring", in: 4 }] : null);
  const here = world({ token: () => `ann/${(count += 1)}`, hub });
  await pass(20_000, 100);
  assert.ok(count >= 10 && count <= 11, String(count));
  assert.equal(here.sockets.length, 1);
});

test("another person's token gets a socket of its own, and what the first had joined is over", async () => {
  const here = world({
    token: list("ann", "bob", "bob"),
    hub: (message, socket) => (message.type === "auth" && socket.sent.length > 1 ? refusal(message, "forbidden") : null),
  });
  await here.client.join(1);
  await pass(100_000, 10_000);
  expire(here, 60);
  await pass(1);
  assert.deepEqual([here.sockets.length, here.client.person.user, here.client.isIn(1)], [2, "bob", false]);
  assert.deepEqual(here.of("ejected").map(({ session, code }) => [session, code]), [[1, "forbidden"]]);
  assert.deepEqual(here.socket.said, [["auth"]]);
});
