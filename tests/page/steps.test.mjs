// The rules of the chart, without a page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { counted, GRACE, heights, instants, peak, presentAt, steps, thinned } from "../../static/steps.js";

const START = Date.UTC(2026, 2, 1, 12);
const at = (seconds) => new Date(START + seconds * 1000).toISOString();
const visit = (from, to = null, reason = to === null ? null : "left") => ({ joinedAt: at(from), leftAt: to === null ? null : at(to), reason });
const person = (...visits) => ({ visits });
const told = (line) => line.map(([when, present]) => [(when - START) / 1000, present]);
const line = (people, end = null, asOf = START + 3_600_000) => told(steps(people, asOf, end === null ? null : at(end)));

test("people are counted as they come and go", () => {
  assert.deepEqual(line([person(visit(0, 60)), person(visit(10)), person(visit(20, 30))]), [[0, 1], [10, 2], [20, 3], [30, 2], [60, 1]]);
});

test("a person with three tabs is one", () => {
  assert.deepEqual(line([person(visit(0, 60), visit(5, 90), visit(90, 100))]), [[0, 1], [100, 0]]);
});

test("nobody is no step", () => assert.deepEqual(line([]), []));

test("one comes as another goes: the count stays", () => {
  assert.deepEqual(line([person(visit(0, 60)), person(visit(60, 70))]), [[0, 1], [70, 0]]);
});

test("whoever drops is counted for the grace, and no longer once they are back", () => {
  const grace = GRACE / 1000;
  assert.deepEqual(line([person(visit(0, 50, "disconnected"))]), [[0, 1], [50 + grace, 0]]);
  assert.deepEqual(line([person(visit(0, 50, "disconnected"), visit(50 + grace - 1, 90))]), [[0, 1], [90, 0]]);
  assert.deepEqual(line([person(visit(0, 50), visit(55, 90))]), [[0, 1], [50, 0], [55, 1], [90, 0]]);
});

test("the grace does not reach into the future", () => {
  assert.deepEqual(line([person(visit(0, 50, "disconnected"))], null, START + 52_000), [[0, 1], [52, 0]]);
});

test("the end closes every stay", () => {
  assert.deepEqual(line([person(visit(0, 58, "disconnected")), person(visit(10, 60, "session_ended"))], 60), [[0, 1], [10, 2], [60, 0]]);
});

test("counts go on from what was recorded, and never back in time", () => {
  const known = [[1000, 1], [2000, 3]];
  assert.deepEqual(counted(known, [[2500, 3], [3000, 4]]), [[1000, 1], [2000, 3], [3000, 4]]);
  assert.deepEqual(counted(known, [[1500, 4], [3000, 2]]), [[1000, 1], [2000, 4], [3000, 2]]);
  assert.deepEqual(counted([], [[1000, 0], [1500, 2]]), [[1500, 2]]);
  assert.deepEqual(known, [[1000, 1], [2000, 3]]);
});

test("thousands of steps become few, and keep their ends, their order and their extremes", () => {
  const many = Array.from({ length: 20_000 }, (_, index) => [START + index * 250, 500 + Math.round(300 * Math.sin(index / 700)) + (index % 3)]);
  many[7_777] = [many[7_777][0], 2_000];
  many[11_111] = [many[11_111][0], 0];
  const few = thinned(many, 300);
  assert.ok(few.length <= 4 * 301, `${few.length}`);
  assert.deepEqual([few[0], few.at(-1)], [many[0], many.at(-1)]);
  assert.deepEqual(peak(few), many[7_777]);
  assert.ok(few.some(([when, present]) => present === 0 && when === many[11_111][0]));
  assert.ok(few.every(([when], index) => index === 0 || when > few[index - 1][0]));
  const width = (many.at(-1)[0] - START) / 300;
  for (let column = 1; column <= 300; column += 1) assert.equal(presentAt(few, START + column * width), presentAt(many, START + column * width));
});

test("a short line is left as it is", () => {
  const short = [[0, 1], [1, 2]];
  assert.equal(thinned(short, 1), short);
});

test("the peak is the first of the highest", () => {
  assert.deepEqual(peak([[1, 2], [2, 5], [3, 1], [4, 5]]), [2, 5]);
  assert.equal(peak([]), null);
});

test("the count at an instant is that of the step before it", () => {
  const known = [[1000, 1], [2000, 3]];
  assert.deepEqual([999, 1000, 1999, 2000, 9000].map((when) => presentAt(known, when)), [0, 1, 1, 3, 3]);
});

test("heights are whole people, few, and reach over the most", () => {
  for (const most of [0, 1, 2, 3, 5, 8, 14, 25, 43, 99, 120, 999, 2_000, 54_321]) {
    const marks = heights(most);
    assert.ok(marks[0] === 0 && marks.at(-1) >= most && marks.length >= 3 && marks.length <= 6, `${most}: ${marks}`);
    assert.ok(marks.every(Number.isInteger), `${marks}`);
  }
});

test("instants are round by the reader's clock, and as few as asked for", () => {
  const hour = 3_600_000;
  const india = 5.5 * hour;
  const marks = instants(START, START + 6 * hour, 4, india);
  assert.ok(marks.length >= 2 && marks.length <= 4);
  assert.ok(marks.every((when) => (when + india) % hour === 0));
  for (const span of [10_000, 90_000, hour, 30 * hour, 400 * 24 * hour]) {
    const few = instants(START, START + span, 5);
    assert.ok(few.length >= 1 && few.length <= 5 && few.every((when) => when >= START && when <= START + span), `${span}`);
  }
});
