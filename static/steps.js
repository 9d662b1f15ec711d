// People present over time, as steps: pure, from the visits of an attendance or from counts as they come.

/** How long (ms) the hub goes on counting one whose connection dropped; `HUB_LEAVE_GRACE_SECONDS` where nobody set it. */
export const GRACE = 10_000;
const DROPPED = new Set(["disconnected", "node_lost"]);
const SIZES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((seconds) => seconds * 1000);

/** A person's stays as the hub counted them: [from, to] in ms, oldest first, apart from each other; an open one ends never. */
function stays(visits, until, isOver) {
  const all = visits.map(({ joinedAt, leftAt, reason }) => {
    const left = leftAt === null ? Infinity : Math.min(until, Date.parse(leftAt) + (DROPPED.has(reason) ? GRACE : 0));
    return [Date.parse(joinedAt), isOver ? Math.min(left, until) : left];
  });
  const apart = [];
  for (const [from, to] of all.sort(([one], [other]) => one - other)) {
    const last = apart.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (to > from) apart.push([from, to]);
  }
  return apart;
}

/** [ms since the epoch, people present from then on], later and later, never the same count twice in a row.
 *  `people` are an attendance's, as of `asOf` (ms); `endedAt` (RFC 3339, or null while it goes on) closes all. */
export function steps(people, asOf, endedAt = null) {
  const told = people.flatMap(({ visits }) => visits.map(({ joinedAt, leftAt }) => Date.parse(leftAt ?? joinedAt)));
  const until = endedAt ? Date.parse(endedAt) : told.reduce((latest, at) => Math.max(latest, at), asOf);
  const moves = [];
  for (const { visits } of people) {
    for (const [from, to] of stays(visits, until, endedAt !== null)) moves.push([from, 1], [to, -1]);
  }
  moves.sort(([one], [other]) => one - other);
  const line = [];
  let present = 0;
  for (const [at, by] of moves) {
    if (at === Infinity) break;
    present += by;
    if (line.at(-1)?.[0] === at) line.pop();
    if ((line.at(-1)?.[1] ?? 0) !== present) line.push([at, present]);
  }
  return line;
}

/** `line` and the `counts` that came after it; a clock that is behind what the hub said does not turn time back. */
export function counted(line, counts) {
  const whole = [...line];
  for (const [at, present] of counts) {
    const last = whole.at(-1) ?? [at, 0];
    if (last[1] === present) continue;
    if (at <= last[0]) whole.pop();
    whole.push([Math.max(at, last[0]), present]);
  }
  return whole;
}

/** `line` in so few steps that `columns` of pixels can show: of each column the first, the lowest, the highest and the last. */
export function thinned(line, columns) {
  if (line.length <= 4 * columns) return line;
  const from = line[0][0];
  const width = (line.at(-1)[0] - from) / columns || 1;
  const kept = [];
  let column = [];
  const close = () => {
    const heights = column.map(([, present]) => present);
    const low = heights.indexOf(Math.min(...heights));
    const high = heights.indexOf(Math.max(...heights));
    const chosen = new Set([0, low, high, column.length - 1].sort((one, other) => one - other));
    for (const index of chosen) kept.push(column[index]);
    column = [];
  };
  for (const step of line) {
    if (column.length && Math.floor((step[0] - from) / width) !== Math.floor((column[0][0] - from) / width)) close();
    column.push(step);
  }
  close();
  return kept;
}

/** The highest step, the first of equals; null where there is none. */
export const peak = (line) => line.reduce((best, step) => (best === null || step[1] > best[1] ? step : best), null);

/** How many were present at an instant (ms). */
export function presentAt(line, at) {
  let [low, high] = [0, line.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (line[middle][0] <= at) low = middle + 1;
    else high = middle;
  }
  return low ? line[low - 1][1] : 0;
}

/** Round heights from 0 to over `most`, in whole people, five at most. */
export function heights(most) {
  const rough = Math.max(1, most / 4);
  const ten = 10 ** Math.floor(Math.log10(rough));
  const size = Math.ceil([1, 2, 2.5, 5, 10].find((times) => times * ten >= rough && Number.isInteger(times * ten)) * ten);
  return Array.from({ length: Math.max(2, Math.ceil(most / size)) + 1 }, (_, index) => index * size);
}

/** Round instants within [from, to] by the clock that is `offset` ms ahead of UTC, `most` at most. */
export function instants(from, to, most, offset = 0) {
  const size = SIZES.find((one) => (to - from) / one <= most) ?? Math.ceil((to - from) / most / 86_400_000) * 86_400_000;
  const marks = [];
  for (let at = Math.ceil((from + offset) / size) * size - offset; at <= to; at += size) marks.push(at);
  return marks.slice(0, most);
}
