// hub-client.js, what the hub says, looked at: a message that is not as the hub says it is dropped, and told to nobody.

const isText = (value) => typeof value === "string";
const isCount = Number.isInteger;
const isPeople = (list) => Array.isArray(list) && list.every((person) => isText(person?.id));
const isLimit = (value) => value === null || isCount(value);
const isSessions = (list) => list === undefined || (Array.isArray(list) && list.every(isCount));

/** Of each type: what its members must be. What a newer hub adds is passed over. */
const SHAPES = {
  welcome: {},
  ok: { missing: isSessions },
  pong: {},
  error: { code: isText, message: isText },
  drain: {},
  expiring: { in: Number.isFinite },
  session: {
    session: isCount, revision: isCount, status: isText, live: isCount, peakLive: isCount, participants: isCount,
    maxParticipants: isLimit, startsAt: isText,
  },
  roster: { session: isCount, revision: isCount, participants: isPeople },
  presence: { session: isCount, revision: isCount, previous: isCount, joined: isPeople, left: isPeople },
  catalog: { session: (session) => isCount(session?.id) && isCount(session.revision) },
};

/** The message that a text frame holds, or null. */
export function understood(data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return null;
  }
  const shape = Object.hasOwn(SHAPES, message?.type) ? SHAPES[message.type] : null;
  return shape && Object.entries(shape).every(([name, fits]) => fits(message[name])) ? message : null;
}
