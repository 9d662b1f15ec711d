// How times, money and seats are told to a person, in the browser's own language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const weekdayAndYear = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
const month = new Intl.DateTimeFormat(undefined, { month: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const distance = new Intl.RelativeTimeFormat();

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "Tue, 24 Nov", with the year when it is not the present one. */
const dated = (date, now) => (date.getFullYear() === now.getFullYear() ? weekday : weekdayAndYear).format(date);
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** "Today", "Tomorrow", or "Tue, 24 Nov 2027". */
function day(date, now) {
  const days = Math.round((midnight(date) - midnight(now)) / DAY);
  if (Math.abs(days) > 1) return dated(date, now);
  const word = relative.format(days, "day");
  return word.charAt(0).toLocaleUpperCase() + word.slice(1);
}

const timeOfDay = (instant) => clock.format(new Date(instant));

/** "Today, 14:30 – 15:30". */
export function when(session, now) {
  const start = new Date(session.startsAt);
  return `${day(start, now)}, ${clock.format(start)} – ${clock.format(new Date(session.endsAt))}`;
}

/** The parts of a calendar leaf. */
export function leaf(instant, now) {
  const date = new Date(instant);
  const year = date.getFullYear();
  return { day: String(date.getDate()), month: year === new Date(now).getFullYear() ? month.format(date) : `${month.format(date)} ${year}` };
}

/** "in 10 minutes", "2 hours ago". */
function fromNow(instant, now) {
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
  const free = Math.max(0, session.maxParticipants - session.participants);
  if (free === 0) return session.maxParticipants === 1 ? "Full: its one seat is taken" : `Full: all ${session.maxParticipants} seats taken`;
  return `${free} of ${session.maxParticipants} seats left`;
}

/** A sentence of the hub's, its instants as this reader's own time. */
export const inLocalTime = (text) =>
  text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (instant) => `${dated(new Date(instant), new Date())}, ${timeOfDay(instant)}`);

const graphemes = Intl.Segmenter ? new Intl.Segmenter() : null;
/** What a reader takes for the first letter: of an emoji or an accent several code points. */
const first = (word) => (graphemes ? graphemes.segment(word).containing(0)?.segment : [...word][0]) ?? "";

export const initials = (name) =>
  name.replace(/^(Dr|Prof|Mr|Mrs|Ms)\.?\s+/i, "").trim().split(/\s+/).map(first).slice(0, 2).join("").toUpperCase();

const two = (number) => String(number).padStart(2, "0");

const words = (...parts) => parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`).join(" ");

/** What is left of `ms`: "9:41" and ticking below an hour, else "5 h 12 min", "1 day 3 h", "3 days"; null when nothing is. */
export function left(ms) {
  if (ms <= 0) return null;
  const seconds = Math.ceil(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  if (hours >= 24) return words([1, "day"], [hours - 24, "h"]);
  if (hours >= 1) return words([hours, "h"], [minutes % 60, "min"]);
  return `${minutes}:${two(seconds % 60)}`;
}

/** The countdown to a session's start. */
export function countdown(session, now) {
  const rest = left(Date.parse(session.startsAt) - now);
  return rest ? `Starts in ${rest}` : `Was due ${fromNow(session.startsAt, new Date(now))}`;
}

/** How long a seat is held for its payment. */
export function hold(booking, now) {
  const rest = left(Date.parse(booking.expiresAt) - now);
  return rest ? `Held for you: ${rest} left to pay` : "The time to pay is over";
}

export function isZone(name) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

/** The zone, or UTC where this browser does not know it: the hub's list may be newer. */
export const zoneOr = (name) => (isZone(name) ? name : "UTC");

/** A session's time where it takes place, null when that is the reader's own. */
export function there({ startsAt, timezone }) {
  const start = new Date(startsAt);
  const wall = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", timeZone: zoneOr(timezone) }).format(start);
  if (!isZone(timezone)) return `${wall} UTC (its time zone: ${timezone})`;
  return wall === clock.format(start) ? null : `${wall} in ${timezone.split("/").at(-1).replaceAll("_", " ")}`;
}
