// How times, names and addresses are told, without a page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { created, faults, valuesOf } from "../../static/draft.js";
import { initials, leaf, there, when, zoneOr } from "../../static/format.js";
import { isSameList, listAddress, routeOf } from "../../static/router.js";

const SESSION = { title: "Soil", description: "", startsAt: "2027-03-29T12:30:00Z", endsAt: "2027-03-29T13:30:00Z", durationMinutes: 60, maxParticipants: null };

test("a zone that the browser does not know is UTC, with its name", () => {
  for (const timezone of ["localtime", "posix/Europe/Berlin", "Mars/Olympus"]) {
    assert.match(there({ ...SESSION, timezone }), new RegExp(`^12.30( PM)? UTC .*${timezone}`));
    const base = valuesOf({ ...SESSION, timezone });
    assert.equal(base.startsAt, "2027-03-29T12:30");
    assert.deepEqual(faults(base, { now: Date.UTC(2026, 2, 1), base }), {});
    assert.equal(created(base).startsAt, "2027-03-29T12:30:00.000Z");
  }
  assert.equal(zoneOr("Africa/Nairobi"), "Africa/Nairobi");
  assert.ok("timezone" in faults({ ...valuesOf({ ...SESSION, timezone: "UTC" }), timezone: "Mars/Olympus" }, { now: 0 }), "control: one that is typed is a fault");
});

test("initials are what a reader takes for letters", () => {
  const family = "\u{1F468}\u200D\u{1F469}\u200D\u{1F467}";
  assert.equal(initials(`${family} Okoro`), `${family}O`);
  assert.equal(initials("\u{1F33E}\u{1F33E}"), "\u{1F33E}");
  assert.equal(initials("e\u0301mile zola"), "E\u0301Z");
  assert.equal(initials("Dr. Jane Q. Smith"), "JQ");
  assert.equal(initials(" "), "");
});

test("the year is told when it is not the present one", () => {
  assert.match(when(SESSION, new Date("2026-11-26T12:00:00Z")), /2027/);
  assert.doesNotMatch(when(SESSION, new Date("2027-01-26T12:00:00Z")), /2027/);
  assert.match(leaf(SESSION.startsAt, Date.parse("2026-11-26T12:00:00Z")).month, /2027/);
  assert.doesNotMatch(leaf(SESSION.startsAt, Date.parse("2027-11-26T12:00:00Z")).month, /2027/);
});

test("what a list is asked for stands in its address, and comes back from it", () => {
  const plain = { filter: "open", q: "", mine: false, free: false, available: false };
  assert.equal(listAddress(plain), "#/");
  for (const wanted of [plain, { ...plain, q: "soil & water #1 ?", filter: "past" }, { ...plain, mine: true, free: true, available: true }]) {
    assert.deepEqual(routeOf(listAddress(wanted)), { name: "list", id: null, wanted });
    assert.ok(isSameList(wanted, { ...wanted }));
  }
  assert.deepEqual(routeOf("").wanted, plain);
  assert.deepEqual(routeOf("#/?filter=nonsense&free=1&x=%zz").wanted, plain);
  assert.equal(routeOf(`#/?q=${"a".repeat(300)}`).wanted.q.length, 200);
});

test("other addresses are as they were", () => {
  assert.deepEqual(routeOf("#/sessions/12/edit"), { name: "edit", id: 12, wanted: null });
  assert.equal(routeOf("#/sessions/12?x=1").name, "one");
  assert.deepEqual(["#/sessions/0", "#/sessions/9999999999", "#/nowhere"].map((hash) => routeOf(hash).name), ["lost", "lost", "lost"]);
});
