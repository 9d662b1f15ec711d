// The rules of a session's form, without a page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { blank, changes, created, faults, members, merged, readings, valuesOf, wallTime } from "../../static/draft.js";

const NOW = Date.UTC(2026, 2, 1, 12);
const draft = (more = {}) => ({ ...blank(NOW, "Africa/Nairobi"), title: "Soil", ...more });
const wrong = (more, about = {}) => Object.keys(faults(draft(more), { now: NOW, ...about }));
const utc = (wall, zone) => readings(wall, zone).map((when) => new Date(when).toISOString());
const SESSION = {
  title: "Soil", description: "", startsAt: "2026-03-29T00:30:00Z", timezone: "Europe/Rome", durationMinutes: 60, maxParticipants: 12, courseId: null,
  price: { amount: 1950, currency: "EUR" }, meeting: { url: "https://meet.example/soil", password: null },
};

test("a zone's clock is read as an instant, and back", () => {
  assert.deepEqual(utc("2025-08-25T15:14", "Africa/Nairobi"), ["2025-08-25T12:14:00.000Z"]);
  assert.equal(wallTime("2025-08-25T12:14:00Z", "Africa/Nairobi"), "2025-08-25T15:14");
  assert.deepEqual(utc("2026-06-01T00:00", "Asia/Kathmandu"), ["2026-05-31T18:15:00.000Z"]);
});

test("an hour that the clocks skip has no instant, one they repeat has two", () => {
  assert.deepEqual(utc("2026-03-29T02:30", "Europe/Rome"), []);
  assert.deepEqual(utc("2026-10-25T02:30", "Europe/Rome"), ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]);
  assert.deepEqual(utc("2026-03-29T03:00", "Europe/Rome"), ["2026-03-29T01:00:00.000Z"]);
  assert.deepEqual(utc("2026-10-04T02:15", "Australia/Lord_Howe"), []);
  assert.deepEqual(utc("2011-12-30T12:00", "Pacific/Apia"), []);
});

test("a new form is without fault but for its title", () => {
  assert.deepEqual(wrong({ title: " " }), ["title"]);
  assert.deepEqual(wrong({}), []);
});

test("each fault is named by its field", () => {
  assert.deepEqual(wrong({ title: "x".repeat(201) }), ["title"]);
  assert.deepEqual(wrong({ startsAt: "" }), ["startsAt"]);
  assert.deepEqual(wrong({ startsAt: "2026-03-01T14:54" }), ["startsAt"]);
  assert.deepEqual(wrong({ startsAt: "2026-03-29T02:30", timezone: "Europe/Rome" }), ["startsAt"]);
  assert.deepEqual(wrong({ timezone: "Mars/Olympus" }), ["timezone"]);
  for (const durationMinutes of ["", "0", "1441", "1.5", "an hour"]) assert.deepEqual(wrong({ durationMinutes }), ["durationMinutes"]);
  for (const maxParticipants of ["0", "-1", "2.5", "1000001"]) assert.deepEqual(wrong({ maxParticipants }), ["maxParticipants"]);
  for (const price of ["0", "-3", "a lot", "1.234", "1e3"]) assert.deepEqual(wrong({ price }), ["price"]);
  assert.deepEqual(wrong({ price: "100.5", currency: "JPY" }), ["price"]);
  assert.deepEqual(wrong({ price: "5", currency: "K" }), ["currency"]);
  for (const meetingUrl of ["http://meet.example", "meet.example", "https://", "javascript:alert(1)"]) assert.deepEqual(wrong({ meetingUrl }), ["meetingUrl"]);
});

test("what is at the slack's end is not in the past", () => assert.deepEqual(wrong({ startsAt: "2026-03-01T14:55" }), []));

test("a start in the past that was not moved is no fault", () => {
  const base = draft({ startsAt: "2026-02-01T10:00" });
  assert.deepEqual(wrong(base, { base }), []);
  assert.deepEqual(wrong({ ...base, startsAt: "2026-02-01T10:05" }, { base }), ["startsAt"]);
});

test("the seats can't fall below those taken", () => {
  assert.deepEqual(wrong({ maxParticipants: "4" }, { taken: 5 }), ["maxParticipants"]);
  assert.deepEqual(wrong({ maxParticipants: "5" }, { taken: 5 }), []);
});

test("what is created is what was typed, in the hub's terms", () => {
  const typed = draft({ startsAt: "2026-03-02T09:00", price: "0,29", currency: "eur", maxParticipants: " 20 ", courseId: "c-1" });
  assert.deepEqual(created(typed), {
    title: "Soil", description: "", startsAt: "2026-03-02T06:00:00.000Z", timezone: "Africa/Nairobi", durationMinutes: 60, maxParticipants: 20,
    price: { amount: 29, currency: "EUR" }, courseId: "c-1", rosterVisibility: "participants",
  });
});

test("prices are whole minor units, whatever the currency has of them", () => {
  const amount = (price, currency) => members(draft({ price, currency })).price.amount;
  assert.deepEqual([amount("19.99", "EUR"), amount("1500", "KES"), amount("1500", "JPY"), amount("1.5", "KWD"), amount("8.2", "USD")], [1999, 150000, 1500, 1500, 820]);
});

test("a session that was only looked at changes nothing", () => {
  const base = valuesOf(SESSION);
  assert.deepEqual(changes(base, { ...base }), {});
  assert.deepEqual(changes(base, { ...base, price: "19.5", durationMinutes: "060", currency: "eur" }), {});
});

test("an edit sends what differs, and null for what was emptied", () => {
  const base = valuesOf(SESSION);
  assert.deepEqual(changes(base, { ...base, title: "Soil II", maxParticipants: "", price: "", meetingUrl: "", rosterVisibility: "host" }), {
    title: "Soil II", maxParticipants: null, price: null, meetingUrl: null, rosterVisibility: "host",
  });
});

test("another zone is another instant by the same clock", () => {
  const base = valuesOf(SESSION);
  assert.deepEqual(changes(base, { ...base, timezone: "Africa/Nairobi" }), { timezone: "Africa/Nairobi", startsAt: "2026-03-28T22:30:00.000Z" });
});

test("two who edit at once: theirs is taken where nothing was typed, and told where both did", () => {
  const base = valuesOf(SESSION);
  const typed = { ...base, title: "Mine", description: "Same" };
  const current = { ...base, title: "Theirs", description: "Same", maxParticipants: "30" };
  const { values, taken, clashes } = merged(base, typed, current);
  assert.deepEqual([taken, clashes], [["maxParticipants"], ["title"]]);
  assert.equal(values.title, "Mine");
  assert.deepEqual(changes(current, values), { title: "Mine" });
});
