// How times, money and seats are told to a person, in the browser's own language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const month = new Intl.DateTimeFormat(undefined, { month: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const distance = new Intl.RelativeTimeFormat();

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** "Today", "Tomorrow", or "Tue, 24 Nov". */
function day(date, now) {
  const days = Math.round((midnight(date) - midnight(now)) / DAY);
  if (Math.abs(days) > 1) return weekday.format(date);
  const word = relative.format(days, "day");
  return word.charAt(0).toLocaleUpperCase() + word.slice(1);
}

export const timeOfDay = (instant) => clock.format(new Date(instant));

/** "Today, 14:30 – 15:30". */
export function when(session, now) {
  const start = new Date(session.startsAt);
  return `${day(start, now)}, ${clock.format(start)} – ${clock.format(new Date(session.endsAt))}`;
}

/** The parts of a calendar leaf. */
export function leaf(instant) {
  const date = new Date(instant);
  return { day: String(date.getDate()), month: month.format(date) };
}

/** "in 10 minutes", "2 hours ago". */
export function fromNow(instant, now) {
  const away = new Date(instant).getTime() - now.getTime();
  const size = Math.abs(away);
  if (size < MINUTE) return "now";
  if (size < HOUR) return distance.format(Math.round(away / MINUTE), "minute");
  if (size < DAY) return distance.format(Math.round(away / HOUR), "hour");
  return distance.format(Math.round(away / DAY), "day");
}

export function duration(minutes) {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return [hours && `${hours} h`, rest && `${rest} min`].filter(Boolean).join(" ");
}

/** How many digits a currency has behind the point; 2 for what is no currency. */
export function digits(currency) {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  } catch {
    return 2;
  }
}

/** A price in minor units, as people write it. */
export function money(price) {
  if (!price) return "Free";
  const amount = price.amount / 10 ** digits(price.currency);
  return new Intl.NumberFormat(undefined, { style: "currency", currency: price.currency }).format(amount);
}

export function seats(session) {
  if (session.maxParticipants === null) return `${session.participants} booked, no limit`;
  const left = Math.max(0, session.maxParticipants - session.participants);
  if (left === 0) return `Full: all ${session.maxParticipants} seats taken`;
  return `${left} of ${session.maxParticipants} seats left`;
}

/** A sentence of the hub's, its instants as this reader's own time. */
export const inLocalTime = (text) =>
  text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (instant) => `${weekday.format(new Date(instant))}, ${timeOfDay(instant)}`);

export const initials = (name) =>
  name.replace(/^(Dr|Prof|Mr|Mrs|Ms)\.?\s+/i, "").split(/\s+/).map((word) => word.charAt(0)).slice(0, 2).join("").toUpperCase();

/** A wall-clock time ("2025-08-25T15:14") in an IANA zone, as an instant; null when it can't be read. */
export function instantIn(wall, zone) {
  const asUtc = Date.parse(`${wall}Z`);
  if (Number.isNaN(asUtc)) return null;
  let guess = asUtc;
  try {
    for (let turn = 0; turn < 2; turn += 1) guess = asUtc - offsetAt(guess, zone);
  } catch {
    return null;
  }
  return new Date(guess).toISOString();
}

function offsetAt(instant, zone) {
  const names = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", ...names });
  const part = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) - Math.floor(instant / 1000) * 1000;
}
