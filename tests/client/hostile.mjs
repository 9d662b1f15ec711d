// A hub that is broken, or is none: what it says does no harm, and nothing of it is told.

import assert from "node:assert/strict";
import test, { mock } from "node:test";

import { connect, pass, person, settled, state, world } from "./scripted.mjs";

const { type: _, ...whole } = state(1, 9);
const lacking = Object.keys(whole).filter((name) => !["startedAt", "endedAt"].includes(name)).map((name) => {
  const { [name]: _left, ...rest } = state(1, 9);
  return rest;
});

for (const message of [
  ...lacking,
  state(1, "9"), state("1", 9), state(1, 9.5), state(1, 9, { live: null }), state(1, 9, { status: 1 }),
  { type: "roster", session: 1, revision: "9", participants: [] },
  { type: "roster", session: 1, revision: 9 },
  { type: "roster", session: 1, revision: 9, participants: [null] },
  { type: "presence", session: 1, revision: 9, previous: 1, joined: [{}], left: [] },
  { type: "presence", session: 1, revision: 9, previous: 1, joined: [person("bob")] },
  { type: "catalog" }, { type: "catalog", session: { id: "1", revision: 1 } },
  { type: "error", session: 1 }, { type: "expiring" }, { type: "ok", id: 1, missing: 5 },
  { type: "fanfare" }, { type: "toString" }, {}, [], null, 5, "session",
]) {
  test(`after ${JSON.stringify(message)} nothing of it is told, and all goes on`, async () => {
    const here = world({ token: () => "ann" });
    here.client.watch(1);
    here.client.watchCatalog();
    await here.client.join(1);
    here.socket.say({ type: "roster", session: 1, revision: 1, participants: [person("ann")] });
    const [sent, told] = [here.socket.sent.length, here.told.length];
    here.socket.say(message);
    await settled();
    assert.deepEqual([here.socket.sent.length, here.told.length, here.sockets.length], [sent, told, 1]);
    here.socket.say(state(1, 3));
    assert.equal(here.client.state(1).revision, 3);
  });
}

test("what is no JSON is no message, and nothing of it is told", async () => {
  const here = world();
  await settled();
  const before = here.told.length;
  for (const data of ["{", "", new ArrayBuffer(2)]) here.socket.onmessage({ data });
  assert.deepEqual([here.told.length, here.client.connection.name], [before, "open"]);
});

for (const told of [undefined, null, "soon", -1, 1e6, 1e300]) {
  test(`a drain of ${told} s is no reason to stay away, or to come at the same time as all others`, async () => {
    const here = world({ random: 0.5 });
    await settled();
    here.socket.say({ type: "drain", reconnectIn: told });
    await pass(1_999);
    assert.equal(here.sockets.length, 1);
    await pass(1);
    assert.equal(here.sockets.length, 2);
  });
}

test("where no socket can be made this time it tries again later", async () => {
  let isBroken = false;
  const here = world();
  const reported = mock.method(console, "error", () => {});
  const Made = here.socket.constructor;
  here.client.close();
  class Broken extends Made {
    constructor(url) {
      if (isBroken) throw new Error("no sockets left");
      super(url);
    }
  }
  const client = connect({ url: "https://hub.example", WebSocket: Broken });
  await settled();
  isBroken = true;
  here.socket.end(1006);
  await pass(3_000, 100);
  assert.deepEqual([client.connection.name, client.connection.code], ["waiting", 1006]);
  assert.ok(reported.mock.callCount() > 1);
  isBroken = false;
  await pass(4_000, 100);
  assert.equal(client.connection.name, "open");
});

test("where the first one can't be made, who connects is told, and nothing is left behind", () => {
  class Never {
    constructor() {
      throw new Error("not from here");
    }
  }
  assert.throws(() => connect({ url: "https://hub.example", WebSocket: Never }), /not from here/);
  globalThis.dispatchEvent?.(new Event("online"));
});

test("a hub that welcomes twice is told nothing twice", async () => {
  const here = world();
  here.client.watch(1);
  await settled();
  here.socket.say({ type: "welcome", connection: "c", serverTime: "t", protocol: 1 });
  await settled();
  assert.deepEqual(here.socket.said, [["watch", [1]]]);
});

test("an end of a token is nothing to a client without a token", async () => {
  const here = world();
  const reported = mock.method(console, "error", () => {});
  await settled();
  here.socket.say({ type: "expiring", in: 60 });
  await pass(60_000, 1_000);
  assert.deepEqual([reported.mock.callCount(), here.client.connection.name], [0, "open"]);
});

test("an end that is far away is not renewed at once", async () => {
  const here = world({ token: () => "ann" });
  await settled();
  const timers = mock.method(globalThis, "setTimeout");
  here.socket.say({ type: "expiring", in: 1e10 });
  const waits = timers.mock.calls.map(({ arguments: [, wait] }) => wait);
  timers.mock.restore();
  assert.deepEqual(waits, [2 ** 31 - 1]); // beyond which a real timer is due at once
});
