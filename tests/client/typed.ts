// A program that uses every name of the types; `deno check` must find nothing wrong with it.

import {
  connect, Refusal, type Connection, type Events, type Hub, type Meeting, type Options, type Person, type Role, type SessionState,
  type Status, type Visit,
} from "../../static/hub-client.js";

const options: Options = { url: new URL("https://hub.example"), token: async () => null, WebSocket };
const hub: Hub = connect(options);
connect();
connect({ url: "wss://hub.example/ws", token: () => "abc" });
connect({ token: null });

const seen: (string | number | null)[] = [];
const stop = hub.watch([1, 2], (state: SessionState) => {
  const status: Status = state.status;
  seen.push(state.session, state.revision, status, state.live, state.peakLive, state.participants, state.maxParticipants);
  seen.push(state.startsAt, state.startedAt, state.endedAt);
});
hub.watch(new Set([3]))();
stop();
hub.watchCatalog(({ session }) => seen.push(session.id, session.revision, String(session.title)))();

const visit: Visit = await hub.join(1);
const meeting: Meeting | null = visit.meeting;
seen.push(visit.participant, meeting?.url ?? null, meeting?.password ?? null);
const nothing: void = await hub.leave(1);
seen.push(hub.state(1)?.live ?? null, String(hub.isIn(1)), String(nothing));

for (const person of hub.roster(1)?.values() ?? []) {
  const someone: Person = person;
  const role: Role = someone.role;
  seen.push(someone.id, someone.name, role, someone.joinedAt);
}

const off = hub.on("connection", ({ name, retryAt, code, reason }: Connection) => seen.push(name, retryAt, code, reason));
off();
hub.on("person", (person) => person && seen.push(person.user, person.role, person.expiresAt));
hub.on("session", ({ live }) => seen.push(live));
hub.on("roster", ({ session, people, joined, left }) => seen.push(session, people?.size ?? null, joined.length, left.length));
hub.on("catalog", ({ session }) => seen.push(session.id));
hub.on("missing", ({ session }) => seen.push(session));
hub.on("joined", ({ session, participant, meeting, again }) => seen.push(session, participant, meeting?.url ?? null, String(again)));
hub.on("ejected", ({ session, code, message }: Events["ejected"]) => seen.push(session, code, message));
hub.on("refused", (refusal: Refusal) => seen.push(refusal.code, refusal.session, refusal.message));
const refusal: Error = new Refusal("No.", "forbidden", 1);

seen.push(hub.connection.name, hub.person?.user ?? null, refusal.message);
hub.retry();
hub.signIn();
hub.close();
