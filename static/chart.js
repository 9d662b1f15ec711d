// People present over time, drawn as it happens: an SVG of our own, with its words and its table beside it.

import { el, setText } from "./dom.js";
import { moment, Part } from "./part.js";
import { counted, heights, instants, peak, presentAt, steps, thinned } from "./steps.js";

const HEIGHT = 220;
const EDGE = { top: 26, right: 14, bottom: 26, left: 30 };
const LETTER = 7;
const KEPT = 4_000;
const ROWS = 12;
const SHORT = 5 * 60_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dated = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const people = (count) => `${count.toLocaleString()} ${count === 1 ? "person" : "people"}`;
const ms = (instant) => (instant === null ? null : Date.parse(instant));

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export class Chart {
  /** `again` is what its button does when the history could not be loaded. */
  constructor(again) {
    Object.assign(this, { session: null, known: null, live: [], width: 0 });
    const parts = [["grid", "g"], ["area", "path"], ["line", "path"], ["marks", "g"]];
    for (const [name, tag] of parts) this[name] = svg(tag, { class: name });
    this.svg = svg("svg", { role: "img", height: HEIGHT }, this.grid, this.area, this.line, this.marks);
    this.caption = el("figcaption", { class: "fine" });
    this.body = el("tbody");
    const head = el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"), el("th", { scope: "col" }, "People present")));
    this.table = el("details", { ontoggle: () => this.draw() }, el("summary", {}, "As a table"), el("table", {}, head, this.body));
    this.part = new Part("chart", "People present over time", again);
    this.part.content.append(el("figure", {}, this.svg, this.caption), this.table);
    this.node = this.part.node;
    this.sizes = new ResizeObserver(([{ contentRect }]) => {
      this.width = Math.floor(contentRect.width);
      this.draw();
    });
    this.sizes.observe(this.part.content);
  }

  /** What the hub has recorded, asked for at `asOf` (ms); what was counted since goes on from there, but for what is over. */
  show({ people: all, endedAt }, asOf) {
    this.known = steps(all, asOf, endedAt);
    this.live = endedAt ? [] : this.live.filter(([at]) => at >= asOf);
    this.part.failed(null);
    this.draw();
  }

  /** What was before is not known (yet): the line begins with what is counted now. */
  failed(why) {
    if (this.known?.length) return;
    this.known = [];
    this.draw();
    this.part.failed(why);
  }

  /** The session as it is now. */
  update(session) {
    const isFirst = this.session === null;
    this.session = session;
    if (isFirst || session.live !== this.present) this.live.push([Date.now(), session.live]);
    if (this.live.length > KEPT) this.live = thinned(this.live, KEPT / 16);
    this.present = session.live;
    this.draw();
  }

  get isOver() {
    return this.session?.status === "ended" || this.session?.status === "cancelled";
  }

  draw(now = Date.now()) {
    if (!this.session || !this.known) return;
    const line = counted(this.known, this.live);
    if (!line.length) return this.part.empty(this.isOver ? "Nobody came." : "The line begins when the first person comes.");
    this.part.filled();
    if (!this.width) return;
    const from = Math.min(line[0][0], ms(this.session.startedAt) ?? Infinity);
    const end = ms(this.session.endedAt) ?? (this.isOver ? 0 : now);
    const to = Math.max(end, line.at(-1)[0], from + 10_000);
    const best = peak(line);
    const ticks = heights(best[1]);
    this.left = Math.max(EDGE.left, LETTER * ticks.at(-1).toLocaleString().length + 12);
    const inner = { width: this.width - this.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
    const x = (at) => Math.round(10 * (this.left + (inner.width * (at - from)) / (to - from))) / 10;
    const y = (count) => Math.round(10 * (EDGE.top + inner.height * (1 - count / ticks.at(-1)))) / 10;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.setAttribute("width", this.width);
    this.drawGrid({ from, to, x, y, ticks, inner });
    this.drawLine(thinned(line, Math.max(1, inner.width)), { to, x, y });
    this.drawMarks({ line, best, to, x, y });
    this.tell(line, best, to);
    if (this.table.open) this.fill(line, from, to);
  }

  drawGrid({ from, to, x, y, ticks, inner }) {
    const right = this.width - EDGE.right;
    const base = HEIGHT - EDGE.bottom;
    const label = to - from < SHORT ? exact : to - from > 86_400_000 ? dated : clock;
    const marks = instants(from, to, Math.max(2, Math.floor(inner.width / 90)), -60_000 * new Date(from).getTimezoneOffset());
    this.grid.replaceChildren(
      ...ticks.flatMap((count) => [
        svg("line", { x1: this.left, x2: right, y1: y(count), y2: y(count) }),
        svg("text", { x: this.left - 8, y: y(count) + 4, "text-anchor": "end" }, count.toLocaleString()),
      ]),
      ...marks.flatMap((at) => [
        svg("line", { x1: x(at), x2: x(at), y1: base, y2: base + 4 }),
        svg("text", { x: within(x(at), label.format(at), this.width), y: HEIGHT - 6, "text-anchor": "middle" }, label.format(at)),
      ]),
    );
  }

  drawLine(line, { to, x, y }) {
    const path = [`M${x(line[0][0])} ${y(0)}`, ...line.map(([at, present]) => `H${x(at)}V${y(present)}`), `H${x(to)}`].join("");
    this.line.setAttribute("d", path);
    this.area.setAttribute("d", `${path}V${y(0)}Z`);
  }

  drawMarks({ line, best, to, x, y }) {
    const { startedAt, endedAt } = this.session;
    const flag = (at, words) => [
      svg("line", { class: "flag", x1: x(at), x2: x(at), y1: EDGE.top - 8, y2: y(0) }),
      svg("text", { x: within(x(at), words, this.width), y: EDGE.top - 13, "text-anchor": "middle" }, words),
    ];
    const top = `Peak ${best[1].toLocaleString()}`;
    const last = line.at(-1)[1];
    const above = best[1] > 0 ? [svg("circle", { class: "peak", cx: x(best[0]), cy: y(best[1]), r: 4 }),
      svg("text", { class: "peak", x: within(x(best[0]), top, this.width, this.left), y: y(best[1]) - 8, "text-anchor": "middle" }, top)] : [];
    this.marks.replaceChildren(...(startedAt ? flag(ms(startedAt), "Start") : []), ...(endedAt ? flag(ms(endedAt), "End") : []), ...above,
      ...(this.isOver ? [] : [svg("circle", { class: "now", cx: x(to), cy: y(last), r: 4 })]));
  }

  tell(line, best, to) {
    const now = this.isOver ? `Over at ${moment(to)}` : `${people(line.at(-1)[1])} now`;
    const told = `${now}; at most ${people(best[1])}, at ${moment(best[0])}; the first came at ${moment(line[0][0])}.`;
    setText(this.caption, told);
    const label = `Line of people present over time: ${told}`;
    if (this.svg.getAttribute("aria-label") !== label) this.svg.setAttribute("aria-label", label);
  }

  fill(line, from, to) {
    const at = [...instants(from, to, ROWS - 1, -60_000 * new Date(from).getTimezoneOffset()), to];
    const label = to - from < SHORT ? exact.format.bind(exact) : moment;
    this.body.replaceChildren(...at.map((instant) =>
      el("tr", {}, el("th", { scope: "row" }, label(instant)), el("td", {}, presentAt(line, instant).toLocaleString()))));
  }

  close() {
    this.sizes.disconnect();
  }
}

/** Where the middle of a label may be so that all of it is seen. */
function within(x, words, right, left = 0) {
  const half = (words.length * LETTER) / 2;
  return Math.min(Math.max(x, left + half), right - half);
}
