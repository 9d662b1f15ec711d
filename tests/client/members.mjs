// What the types promise is what there is.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import * as client from "../../static/hub-client.js";
import { world } from "./scripted.mjs";

const types = await readFile(new URL("../../static/hub-client.d.ts", import.meta.url), "utf8");

/** The names of an interface's members: of depth one, before a colon, a bracket or a question mark. */
function members(name) {
  const body = types.match(new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, "m"))[1];
  return new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[(<:]/gm)].map(([, member]) => member));
}

test("the object has the members that its interface promises, and no others", () => {
  const { client: hub } = world();
  const there = [...Object.getOwnPropertyNames(Object.getPrototypeOf(hub)), ...Object.keys(hub)];
  assert.deepEqual(new Set(there.filter((name) => name !== "constructor")), members("Hub"));
});

test("each promised event can be listened to, and each told one is promised", () => {
  const { client: hub } = world();
  for (const event of members("Events")) hub.on(event, () => {});
  assert.throws(() => hub.on("nothing", () => {}), (error) => {
    assert.deepEqual(new Set(error.message.split("there are ")[1].slice(0, -1).split(", ")), members("Events"));
    return true;
  });
});

test("the module exports what the types do", () => {
  const promised = [...types.matchAll(/^export (?:declare )?(?:class|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(client).sort(), promised.sort());
});
