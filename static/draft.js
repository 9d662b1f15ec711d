// A session as a form holds it (all text), and as the hub takes it: reading, faults, changes, what two people changed at once. Pure.

import { digits, isZone, zoneOr } from "./format.js";

export const NAMES = {
  title: "Title", description: "Description", startsAt: "Start", timezone: "Time zone", durationMinutes: "Length in minutes", maxParticipants: "Seats",
  price: "Price", currency: "Currency", courseId: "Course", meetingUrl: "Meeting link", meetingPassword: "Meeting password", rosterVisibility: "Who sees who is here",
};
export const WHILE_ACTIVE = ["title", "description", "meetingUrl", "meetingPassword"];
/** Which input a member of the hub's body belongs to. */
export const INPUTS = { "/price/amount": "price", "/price/currency": "currency", "/price": "price" };

const SLACK = 5 * 60_000;
const DAY = 86_400_000;
const WHOLE = /^\d+$/;
const MONEY = /^(\d+)(?:[.,](\d+))?$/;
const PARTS = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };

function parts(instant, zone) {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", ...PARTS });
  return Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, value]));
}

function offset(instant, zone) {
  const { year, month, day, hour, minute, second } = parts(instant, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
}

/** An instant as its zone's clock shows it: "2025-08-25T15:14". */
export function wallTime(instant, zone) {
  const { year, month, day, hour, minute } = parts(new Date(instant), zone);
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

/** When a zone's clock shows `wall`, in ms: once, twice (an hour repeated) or never (an hour left out); never too for what is no time. */
export function readings(wall, zone) {
  const asUtc = Date.parse(`${wall}Z`);
  if (Number.isNaN(asUtc)) return [];
  const around = new Set([offset(asUtc - DAY, zone), offset(asUtc + DAY, zone)].map((ahead) => asUtc - ahead));
  return [...around].filter((at) => at + offset(at, zone) === asUtc).sort((one, other) => one - other);
}

const text = (value) => (value === null || value === undefined ? "" : String(value));

/** What the form shows of a session as its owner gets it; who sees the roster is never told, so it is "": as it is. */
export function valuesOf(session) {
  const places = session.price ? digits(session.price.currency) : 0;
  return {
    title: session.title, description: session.description, startsAt: wallTime(session.startsAt, zoneOr(session.timezone)), timezone: session.timezone,
    durationMinutes: text(session.durationMinutes), maxParticipants: text(session.maxParticipants),
    price: session.price ? (session.price.amount / 10 ** places).toFixed(places) : "", currency: session.price?.currency ?? "KES",
    courseId: text(session.courseId), meetingUrl: text(session.meeting?.url), meetingPassword: text(session.meeting?.password), rosterVisibility: "",
  };
}

/** A new session: it starts at the next quarter of an hour that is far enough away. */
export function blank(now, zone) {
  const soon = Math.ceil((now + 15 * 60_000) / 900_000) * 900_000;
  return { title: "", description: "", startsAt: wallTime(soon, zone), timezone: zone, durationMinutes: "60", maxParticipants: "", price: "", currency: "KES",
    courseId: "", meetingUrl: "", meetingPassword: "", rosterVisibility: "participants" };
}

/** The contract's members; null for what was left empty. Values without faults give members the hub can judge. */
export function members(values) {
  const typed = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim()]));
  const [at] = readings(typed.startsAt, zoneOr(typed.timezone));
  return {
    title: typed.title, description: typed.description, startsAt: at === undefined ? typed.startsAt : new Date(at).toISOString(), timezone: typed.timezone,
    durationMinutes: Number(typed.durationMinutes), maxParticipants: typed.maxParticipants ? Number(typed.maxParticipants) : null,
    price: typed.price ? { amount: minor(typed.price, typed.currency), currency: typed.currency.toUpperCase() } : null,
    courseId: typed.courseId || null, meetingUrl: typed.meetingUrl || null, meetingPassword: typed.meetingPassword || null,
    rosterVisibility: typed.rosterVisibility || null,
  };
}

/** "15,5" in minor units: by its digits, since 0.29 * 100 is not 29. */
function minor(price, currency) {
  const [, whole, rest = ""] = MONEY.exec(price) ?? [];
  return Number(whole + rest.padEnd(digits(currency.toUpperCase()), "0"));
}

/** What is sent to create. */
export const created = (values) => Object.fromEntries(Object.entries(members(values)).filter(([, value]) => value !== null));

/** What is sent to edit: the members that differ. */
export function changes(base, values) {
  const before = members(base);
  return Object.fromEntries(Object.entries(members(values)).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
}

/** What can be said before the hub is asked: a sentence by name. `base` (null for a new session) is never at fault; `taken`: seats. */
export function faults(values, { now, base = null, taken = 0 }) {
  const found = Object.entries(CHECKS).map(([name, check]) => [name, check(values[name].trim(), values, { now, base, taken })]);
  return Object.fromEntries(found.filter(([, sentence]) => sentence));
}

const CHECKS = {
  title: (value) => (!value ? "Give it a title." : [...value].length > 200 ? `200 letters at most; this has ${[...value].length}.` : null),
  description: (value) => ([...value].length > 10_000 ? `10,000 letters at most; this has ${[...value].length.toLocaleString()}.` : null),
  startsAt: start,
  timezone: (value, _, { base }) => (isZone(value) || value === base?.timezone ? null : "Choose a time zone, like Africa/Nairobi."),
  durationMinutes: (value) => (WHOLE.test(value) && value >= 1 && value <= 1440 ? null : "From 1 to 1440 minutes (a day), in digits."),
  maxParticipants: (value, _, { taken }) => {
    if (!value) return null;
    if (!WHOLE.test(value) || value < 1 || value > 1_000_000) return "A whole number from 1, or empty for no limit.";
    return value < taken ? `${taken} seats are taken already.` : null;
  },
  price: (value, { currency }) => {
    if (!value) return null;
    const [, whole, rest = ""] = MONEY.exec(value) ?? [];
    if (whole === undefined) return "A number like 1500 or 19.50, or empty if it is free.";
    const places = digits(currency.trim().toUpperCase());
    if (rest.length > places) return places ? `${places} digits behind the point at most.` : "This currency has no digits behind the point.";
    return Number(whole + rest) > 0 ? null : "Leave it empty if it is free.";
  },
  currency: (value, { price }) => (!price.trim() || /^[a-z]{3}$/i.test(value) ? null : "Three letters, like KES."),
  meetingUrl: (value) => (!value || /^https:\/\/[^\s/]/i.test(value) ? null : "It begins with https://."),
};

function start(value, { timezone }, { now, base }) {
  if (base && value === base.startsAt && timezone === base.timezone) return null;
  if (!value) return "Say on which day and at what time it starts.";
  if (!isZone(timezone.trim())) return null;
  const [at] = readings(value, timezone.trim());
  if (at === undefined) return `The clocks in ${timezone} skip this time on that day. Take an hour later.`;
  return at < now - SLACK ? "This is in the past." : null;
}

/** The form after somebody else's edit: theirs where nothing was typed, else what was typed; `clashes` are where both changed it. */
export function merged(base, typed, current) {
  const differs = Object.keys(current).filter((name) => current[name] !== base[name]);
  const taken = differs.filter((name) => typed[name] === base[name]);
  const values = { ...typed, ...Object.fromEntries(taken.map((name) => [name, current[name]])) };
  return { values, taken, clashes: differs.filter((name) => typed[name] !== base[name] && typed[name] !== current[name]) };
}
