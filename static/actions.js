// What a person may do with a session right now: the buttons of its card, the main one first.

import { money } from "./format.js";
import { isFull, isHeld, isOpen } from "./store.js";

const join = ({ status }) => ({ name: "join", label: "Join", kind: status === "active" ? "primary" : "plain" });
const SOON = 30 * 60_000;
const LEAVE = { name: "leave", label: "Leave", kind: "plain" };

export function actions(entry, actor) {
  const { session } = entry;
  if (!actor || !isOpen(session)) return [];
  if (actor.role === "student") return forStudent(entry);
  return session.isExpert ? forOwner(entry) : [];
}

function forStudent({ session, joined }) {
  if (isHeld(session)) return [{ name: "cancelBooking", label: "Give the seat back", kind: "plain" }];
  if (session.isBooked) {
    const cancel = { name: "cancelBooking", label: "Cancel booking", kind: "quiet", sure: joined ? "Cancel and leave?" : null };
    return [joined ? LEAVE : join(session), cancel];
  }
  if (isFull(session)) return [{ name: "book", label: "Full", kind: "plain", disabled: true }];
  return [{ name: "book", label: session.isFree ? "Book a seat" : `Book for ${money(session.price)}`, kind: "primary" }];
}

function forOwner({ session, joined }) {
  const stay = joined ? LEAVE : join(session);
  if (session.status === "active") {
    return [stay, { name: "end", label: "End session", kind: "plain", sure: "End for everyone?" }];
  }
  return [{ name: "start", label: "Start", kind: Date.parse(session.startsAt) - Date.now() < SOON ? "primary" : "plain" }, stay];
}
