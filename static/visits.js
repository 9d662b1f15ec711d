// Where this tab's person was when it was reloaded: they are back within the hub's grace, and nobody has seen them leave.

const KEPT = "hub-visits";
const BLIP = 60_000;

/** The tab goes, perhaps only to come back. */
export function keepVisits(actor, sessions) {
  if (actor && sessions.length) sessionStorage.setItem(KEPT, JSON.stringify({ person: actor.id, sessions, at: Date.now() }));
  else sessionStorage.removeItem(KEPT);
}

/** The sessions that `actor` was in a moment ago, told once; what is stored may make no sense. */
export function takeVisits(actor) {
  if (!actor) return [];
  try {
    const { person, sessions, at } = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
    return person === actor.id && Date.now() - at < BLIP ? sessions.filter(Number.isInteger) : [];
  } catch {
    return [];
  }
}
