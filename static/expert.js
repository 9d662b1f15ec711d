// What only the session's expert sees: who is here, the room over time, attendance, bookings.

import * as api from "./api.js";
import { Attendance } from "./attendance.js";
import { Bookings } from "./bookings.js";
import { Chart } from "./chart.js";
import { el } from "./dom.js";
import { Present } from "./present.js";

const REST = 4_000;
const REST_OF_A_PERSON = 10;
const TICK = 1_000;
const BEATS = 5;
const DOUBLINGS = 4;
const PASSING = new Set(["unreachable", "unavailable", "rate_limited"]);

/** `load` soon after it was asked for: not again within `rest()` ms and up to half as long, and not while nobody looks.
 *  It answers what went wrong, if anything: what will pass is tried again by itself, more and more seldom. */
class Refresh {
  constructor(load, rest) {
    Object.assign(this, { load, rest, wanted: false, busy: false, urgent: false, closed: false, timer: null, notBefore: 0, failures: 0 });
  }

  ask() {
    this.wanted = true;
    if (this.busy || this.timer || this.closed || document.hidden) return;
    this.timer = setTimeout(() => this.run(), Math.max(0, this.notBefore - Date.now()) + Math.random() * 250);
  }

  /** At once, or as soon as what is on its way has come: a person asked, or all of it is different now. */
  async run() {
    clearTimeout(this.timer);
    this.timer = null;
    this.urgent = this.busy;
    if (this.busy || this.closed) return;
    Object.assign(this, { busy: true, wanted: false });
    const problem = await this.load();
    this.busy = false;
    if (this.urgent) return this.run();
    this.failures = problem ? this.failures + 1 : 0;
    this.wanted ||= PASSING.has(problem?.code);
    this.notBefore = Date.now() + this.rest() * 2 ** Math.min(this.failures, DOUBLINGS) * (1 + Math.random() / 2);
    if (this.wanted) this.ask();
  }

  /** Somebody looks again. */
  resume() {
    if (this.wanted) this.ask();
  }

  close() {
    clearTimeout(this.timer);
    this.closed = true;
  }
}

export class ExpertParts {
  /** `actor` is {id, name, role, token}, the session's owner; `say` tells a short notice. */
  constructor({ id, actor, say }) {
    Object.assign(this, { id, actor, people: 0, session: null, seats: null, presence: null });
    this.chart = new Chart(() => this.visits.run());
    this.present = new Present(actor);
    this.attendance = new Attendance({ id, actor, say, again: () => this.visits.run() });
    this.bookings = new Bookings({ id, actor, again: () => this.seatsTaken.run() });
    this.visits = new Refresh(() => this.loadAttendance(), () => REST + REST_OF_A_PERSON * this.people);
    this.seatsTaken = new Refresh(() => this.bookings.load(), () => REST);
    this.node = el("div", { class: "expert-parts" }, this.chart.node, this.present.node, this.attendance.node, this.bookings.node);
    this.looked = () => document.hidden || this.resume();
    document.addEventListener("visibilitychange", this.looked);
    this.timer = setInterval(() => document.hidden || this.tick(), TICK);
    this.visits.run();
    this.seatsTaken.run();
  }

  /** The session as it is now, and who is present: a Map by id in order of arrival, or null while that is not known. */
  update({ session, roster }) {
    Object.assign(this, { session: { ...session }, roster });
    this.chart.update(this.session);
    this.present.update(session, roster);
    const seats = JSON.stringify([session.participants, session.maxParticipants, session.status]);
    const presence = JSON.stringify([session.live, session.peakLive, session.status, roster && [...roster.keys()].at(-1), roster?.size]);
    if (this.seats !== null && this.seats !== seats) this.seatsTaken.ask();
    if (this.status && this.status !== session.status) this.visits.run(); // nobody is "still here" in what has ended
    else if (this.presence !== null && this.presence !== presence) this.visits.ask();
    this.bookings.update(this.chart.isOver);
    Object.assign(this, { seats, presence, status: session.status });
  }

  async loadAttendance() {
    const asOf = Date.now();
    try {
      const attendance = await api.attendance(this.id, this.actor);
      this.people = attendance.people.length;
      this.attendance.show(attendance, this.chart.isOver);
      this.chart.show(attendance, asOf);
      return null;
    } catch (problem) {
      this.attendance.failed(problem.message);
      this.chart.failed(problem.message);
      return problem;
    }
  }

  /** The line goes on and stays grow while nothing happens. */
  tick() {
    if (!this.session) return;
    if (this.session.endedAt === null) this.chart.draw();
    this.beat = ((this.beat ?? 0) + 1) % BEATS;
    if (this.beat === 0) this.present.update(this.session, this.roster);
  }

  resume() {
    this.visits.resume();
    this.seatsTaken.resume();
    this.tick();
  }

  close() {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.looked);
    this.visits.close();
    this.seatsTaken.close();
    this.chart.close();
    this.node.remove();
  }
}
