// The shape of static/hub-client.js. Design agreed by all who work on it at the same time; the owner of the client may
// refine wording and add what is missing, but names and meanings here are what page, tests and documents build on.

export type Status = "scheduled" | "active" | "ended" | "cancelled";
export type Role = "expert" | "student";

/** A session's whole public state, as the hub's `session` message says it. Instants are RFC 3339 in UTC. */
export interface SessionState {
  readonly session: number;
  readonly revision: number;
  readonly status: Status;
  readonly live: number;
  readonly peakLive: number;
  readonly participants: number;
  readonly maxParticipants: number | null;
  readonly startsAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

export interface Person { readonly id: string; readonly name: string; readonly role: Role; readonly joinedAt: string }

/** `connecting` first; `open` once the hub has welcomed and (with a token) knows us; `waiting` until `retryAt` (ms since the
 *  epoch); `stopped` for good: `close()` was called (code null), or the hub said not to come back (1009, 4400, 4403). */
export interface Connection {
  readonly name: "connecting" | "open" | "waiting" | "stopped";
  readonly retryAt: number | null;
  readonly code: number | null;
  readonly reason: string | null;
}

/** What the hub refused (`code` as in its REST answers), or `unreachable`: not connected, no answer, connection lost, closed. */
export class Refusal extends Error { readonly code: string; readonly session: number | null }

export interface Meeting { readonly url: string | null; readonly password: string | null }
export interface Visit { readonly participant: string; readonly meeting: Meeting | null }

export interface Events {
  /** The connection changed. */
  connection: Connection;
  /** Who the hub knows us as changed (null: nobody, anyone may watch). */
  person: { readonly user: string; readonly role: Role; readonly expiresAt: string } | null;
  /** A newer state of a watched or joined session. Never an older one, never the same twice. */
  session: SessionState;
  /** Who is present changed; `people` by id, in order of arrival; null when the hub does not show it to us (any more). */
  roster: { readonly session: number; readonly people: ReadonlyMap<string, Person> | null; readonly joined: readonly Person[]; readonly left: readonly Person[] };
  /** A session was created, edited, started, ended or cancelled: as in REST, without the caller's own members. */
  catalog: { readonly session: Record<string, unknown> & { readonly id: number; readonly revision: number } };
  /** A watched session does not exist. */
  missing: { readonly session: number };
  /** We are in this session (also again, after a reconnect: `again`). */
  joined: Visit & { readonly session: number; readonly again: boolean };
  /** We are out of this session without having asked: over, seat cancelled, or not let in again. */
  ejected: { readonly session: number; readonly code: string; readonly message: string };
  /** The token was refused or ended and `token()` had no better one: we go on as a watcher. `signIn()` asks `token()` again. */
  refused: Refusal;
}

export interface Options {
  /** Where the hub is: `https://hub.example`, `wss://hub.example/ws`; default: where this file was loaded from (in a browser). */
  readonly url?: string | URL;
  /** A fresh token, asked for at each connect and before the present one ends; null: a watcher. */
  readonly token?: () => Promise<string | null> | string | null;
  /** For surroundings without a global WebSocket. */
  readonly WebSocket?: typeof WebSocket;
}

/** One socket to the hub. It comes back by itself until `close()`. */
export interface Hub {
  readonly connection: Connection;
  readonly person: Events["person"];
  /** Follow sessions (500 at most; counted: each `watch` needs its `unwatch`, which is what it answers). States come as
   *  `session` events, and to `listener` for these; what is known already is told to it at once (in a microtask). */
  watch(session: number | Iterable<number>, listener?: (state: SessionState) => void): () => void;
  /** `catalog` events from now on, and after each reconnect. */
  watchCatalog(listener?: (change: Events["catalog"]) => void): () => void;
  /** Enter, and stay across reconnects until `leave`. Implies watching. Rejects with a Refusal; not connected yet: waits for the
   *  first `open` (15 s at most). */
  join(session: number): Promise<Visit>;
  leave(session: number): Promise<void>;
  /** The newest known state / roster. */
  state(session: number): SessionState | undefined;
  roster(session: number): ReadonlyMap<string, Person> | null;
  isIn(session: number): boolean;
  on<E extends keyof Events>(event: E, listener: (detail: Events[E]) => void): () => void;
  /** Come back at once instead of waiting; does nothing while open. */
  retry(): void;
  /** Another person, or the same with a new token: a new socket that asks `token()`; what was joined is left, watches stay. */
  signIn(): void;
  close(): void;
}

export function connect(options?: Options): Hub;
