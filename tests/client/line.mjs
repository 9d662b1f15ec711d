// When the client comes back, and when not.

import assert from "node:assert/strict";
import test, { mock } from "node:test";

import { connect, dice, events, pass, settled, state, world } from "./scripted.mjs";

const wait = (here) => here.client.connection.retryAt - Date.now();

for (const [code, comesBack] of Object.entries({
  1000: true, 1001: true, 1005: true, 1006: true, 1011: true, 1012: true, 4008: true, 4401: true, 4429: true,
  1009: false, 4400: false, 4403: false,
})) {
  test(`after ${code} it ${comesBack ? "comes back" : "stays away"}`, async () => {
    const here = world();
    await settled();
    here.socket.end(Number(code), "the hub's reason");
    const { connection } = here.client;
    assert.deepEqual([connection.name, connection.code], [comesBack ? "waiting" : "stopped", Number(code)]);
    assert.equal(connection.reason, "the hub's reason");
    await pass(3_600_000, 30_000);
    assert.equal(here.sockets.length, comesBack ? 2 : 1);
  });
}

test("what stopped it is told though the hub gave no reason", async () => {
  const here = world();
  await settled();
  here.socket.end(4403);
  assert.match(here.client.connection.reason, /sent this client away/);
});

for (const random of [0, 0.25, 0.999]) {
  test(`it waits ${random} of a ceiling that doubles to four seconds, and grows with the outage to thirty`, async () => {
    const here = world({ random, welcome: false });
    const begun = Date.now();
    const ceilings = [];
    for (let turn = 0; turn < 30; turn += 1) {
      here.socket.end(1006);
      ceilings.push(Math.min(30_000, 500 * 2 ** turn, Math.max(4_000, 0.4 * (Date.now() - begun))));
      assert.ok(Math.abs(wait(here) - ceilings.at(-1) * random) < 1);
      await pass(wait(here) + 1);
    }
    assert.deepEqual(ceilings.slice(0, 5), [500, 1_000, 2_000, 4_000, 4_000]);
    assert.equal(ceilings.at(-1) === 30_000, random > 0.9);
    assert.equal(here.sockets.length, 31);
  });
}

for (const down of [500, 1_000, 3_000, 5_000, 10_000]) {
  test(`after ${down} ms without a hub even the last is back soon: within half of the default grace`, async () => {
    const roll = dice(6);
    for (let client = 0; client < 50; client += 1) {
      const here = world({ welcome: false });
      mock.method(Math, "random", () => roll(1_000) / 1_000);
      const begun = Date.now();
      while (Date.now() < begun + down) {
        here.socket.end(1006);
        await pass(wait(here) + 1);
      }
      assert.ok(Date.now() - begun - down <= 5_000);
      here.client.close();
    }
  });
}

test("a connection that held for five seconds counts as steady, a shorter one does not", async () => {
  const here = world();
  const waits = [];
  for (const held of [4_900, 4_900, 5_100, 4_900]) {
    await pass(held);
    here.socket.end(1006);
    waits.push(wait(here));
    await pass(waits.at(-1) + 1);
  }
  assert.deepEqual(waits, [250, 500, 250, 500]);
});

test("4429 pauses ten seconds before anything else", async () => {
  const here = world({ random: 0 });
  await settled();
  here.socket.end(4429);
  assert.equal(wait(here), 10_000);
  events.dispatchEvent(new Event("online"));
  await pass(9_999);
  assert.equal(here.sockets.length, 1);
  await pass(1);
  assert.equal(here.sockets.length, 2);
});

for (const closesAfter of [null, 0, 1_000]) {
  test(`a drain's delay is obeyed exactly, ${closesAfter === null ? "also without a close" : `closed after ${closesAfter} ms`}`, async () => {
    const here = world();
    await settled();
    here.socket.say({ type: "drain", reconnectIn: 3.2 });
    if (closesAfter !== null) {
      await pass(closesAfter);
      here.socket.end(1012);
      assert.equal(here.client.connection.retryAt, 1_003_200);
    }
    events.dispatchEvent(new Event("online"));
    await pass(3_199 - (closesAfter ?? 0));
    assert.equal(here.sockets.length, 1);
    await pass(1);
    assert.equal(here.sockets.length, 2);
    assert.equal(here.sockets[0].isClosed, true);
  });
}

test("a drained connection goes on working until it goes", async () => {
  const here = world({ token: () => "ann" });
  await settled();
  here.socket.say({ type: "drain", reconnectIn: 5 });
  await here.client.join(1);
  assert.equal(here.sockets.length, 1);
});

test("back online it tries at once", async () => {
  const here = world({ random: 0.9, welcome: false });
  here.socket.end(4429);
  await pass(wait(here) + 1);
  here.socket.end(1006);
  assert.ok(wait(here) > 500);
  events.dispatchEvent(new Event("online"));
  assert.equal(here.sockets.length, 3);
  assert.equal(here.client.connection.name, "connecting");
});

test("a dead network is found out by a ping without an answer", async () => {
  let isDead = false;
  const here = world({ hub: ({ type }) => (isDead && type === "ping" ? [] : null) });
  await settled();
  await pass(25_000);
  assert.deepEqual(here.socket.said, [["ping"]]);
  isDead = true;
  await pass(25_000);
  assert.equal(here.client.connection.name, "open");
  await pass(10_000);
  assert.equal(here.client.connection.name, "waiting");
  assert.equal(here.sockets[0].isClosed, true);
  isDead = false;
  await pass(500);
  assert.equal(here.client.connection.name, "open");
});

test("a hub that talks is alive, whatever became of a pong", async () => {
  const here = world({ hub: ({ type }) => (type === "ping" ? [] : null) });
  await settled();
  await pass(25_000);
  await pass(5_000);
  here.socket.say({ type: "catalog", session: { id: 1, revision: 1 } });
  await pass(5_000);
  assert.equal(here.client.connection.name, "open");
});

test("a connection that never welcomes is given up", async () => {
  const here = world({ welcome: false });
  await pass(14_999);
  assert.equal(here.client.connection.name, "connecting");
  await pass(1);
  assert.equal(here.client.connection.name, "waiting");
});

test("an old socket that speaks after all is not listened to", async () => {
  const here = world();
  here.client.watch(1);
  await settled();
  const [old] = here.sockets;
  old.end(1006);
  await pass(1_000);
  old.isClosed = false;
  old.say(state(1, 9));
  old.onclose({ code: 4403, reason: "" });
  assert.deepEqual(here.of("session"), []);
  assert.equal(here.client.connection.name, "open");
});

test("after a long sleep one look at the page brings it back", async () => {
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  const here = world({ hub: ({ type }, socket, { sockets }) => (type === "ping" && sockets.length === 1 ? [] : null) });
  await settled();
  mock.timers.setTime(Date.now() + 3_600_000); // no timer has run meanwhile, and the socket is dead without a word
  globalThis.document.dispatchEvent(new Event("visibilitychange"));
  await pass(10_000, 1_000);
  await pass(500);
  assert.equal(here.client.connection.name, "open");
  assert.equal(here.sockets.length, 2);
  delete globalThis.document;
});

test("retry comes back at once, does nothing while open, and nothing after close", async () => {
  const here = world({ random: 0.9 });
  await settled();
  here.client.retry();
  assert.equal(here.sockets.length, 1);
  here.socket.end(4429);
  here.client.retry();
  await settled();
  assert.deepEqual([here.sockets.length, here.client.connection.name], [2, "open"]);
  here.client.close();
  here.client.retry();
  here.client.signIn();
  events.dispatchEvent(new Event("online"));
  await pass(60_000);
  assert.deepEqual([here.sockets.length, here.client.connection.name, here.client.connection.code], [2, "stopped", null]);
});

test("nothing is left to wait for once it is closed", async () => {
  const here = world({ token: () => "ann" });
  here.client.watch(1);
  await settled();
  here.socket.say({ type: "expiring", in: 60 });
  here.client.close();
  const before = here.told.length;
  await pass(120_000, 10_000);
  assert.equal(here.told.length, before);
  assert.equal(here.sockets.length, 1);
});

test("a token never stands in the address", async () => {
  const here = world({ token: () => "s3cret" });
  await settled();
  assert.equal(here.socket.url, "wss://hub.example/ws");
  assert.equal(here.socket.sent[0].token, "s3cret");
});

for (const [options, said] of [
  [{ url: "https://hub.example", tokens: 1 }, /no option "tokens"/],
  [{ url: "https://hub.example", token: "abc" }, /`token` must be a function/],
  [{ url: "https://hub.example?token=abc" }, /no query/],
  [{ url: "https://ann:abc@hub.example" }, /no query, fragment or credentials/],
  [{ url: "ftp://hub.example" }, /must begin with https:/],
  [{ url: "hub example" }, /such as https:\/\/hub\.example, not hub example/],
  [{}, /`url` is needed here/],
  [{ url: "https://hub.example", WebSocket: null }, /option `WebSocket`/],
  ["https://hub.example", /takes an object/],
  [null, /takes an object/],
]) {
  test(`the options ${JSON.stringify(options)} are refused by a sentence`, () => {
    assert.throws(() => connect(options), (error) => error instanceof TypeError && said.test(error.message));
  });
}

for (const [given, used] of Object.entries({
  "https://hub.example": "wss://hub.example/ws",
  "http://127.0.0.1:8000/": "ws://127.0.0.1:8000/ws",
  "wss://hub.example/ws": "wss://hub.example/ws",
  "https://school.example/hub/": "wss://school.example/hub/ws",
})) {
  test(`${given} means ${used}`, () => {
    const here = world({ url: given });
    assert.equal(here.socket.url, used);
  });
}
