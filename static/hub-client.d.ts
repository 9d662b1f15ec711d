// The types of hub-client.js, and what each of its members promises.

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

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly joinedAt: string;
}

/**
 * `connecting` first; `open` once the hub has welcomed us, knows us (with a token) and has answered all that we want to
 * follow: what is read by REST from then on misses nothing. `waiting` until `retryAt` (ms since the epoch). `stopped` for
 * good: `close()` was called (`code` null), or the hub said not to come back (1009, 4400, 4403).
 */
export interface Connection {
  readonly name: "connecting" | "open" | "waiting" | "stopped";
  readonly retryAt: number | null;
  readonly code: number | null;
  readonly reason: string | null;
}

/** What the hub refused (`code` as in its REST answers), or `unreachable`: not connected, no answer, connection lost, closed. */
export class Refusal extends Error {
  constructor(message: string, code?: string, session?: number | null);
  readonly code: string;
  readonly session: number | null;
}

export interface Meeting {
  readonly url: string | null;
  readonly password: string | null;
}

/** `participant` is the id of this visit; `meeting` is null for who may not see it (yet). */
export interface Visit {
  readonly participant: string;
  readonly meeting: Meeting | null;
}

export interface Events {
  /** The connection changed. */
  connection: Connection;
  /** Who the hub knows us as changed (null: nobody, anyone may watch). Stands while we are away. */
  person: { readonly user: string; readonly role: Role; readonly expiresAt: string } | null;
  /**
   * A newer state of a session that we watch or are in. Never an older one, never the same twice; only the first of a
   * new connection may have a lower revision, when the hub's database began anew.
   */
  session: SessionState;
  /**
   * Who is present changed; `people` by id, in order of arrival (another Map each time); null when the hub does not show
   * it to us any more. `joined` and `left` are the difference to before, both empty when it is shown for the first time.
   */
  roster: {
    readonly session: number;
    readonly people: ReadonlyMap<string, Person> | null;
    readonly joined: readonly Person[];
    readonly left: readonly Person[];
  };
  /** A session was created, edited, started, ended or cancelled: as in REST, without the caller's own members. */
  catalog: { readonly session: Readonly<Record<string, unknown>> & { readonly id: number; readonly revision: number } };
  /** A watched session does not exist; told again at each connect. */
  missing: { readonly session: number };
  /** We are in this session (also again, after a reconnect: `again`). */
  joined: Visit & { readonly session: number; readonly again: boolean };
  /** We are out of this session without having asked: over, seat cancelled, not let in again, or we are somebody else now. */
  ejected: { readonly session: number; readonly code: string; readonly message: string };
  /** The token was refused or ended and `token()` had no better one: we go on as a watcher. `signIn()` asks `token()` again. */
  refused: Refusal;
}

export interface Options {
  /** Where the hub is: `https://hub.example`, `wss://hub.example/ws`; default: where this file was loaded from (in a browser). */
  readonly url?: string | URL;
  /**
   * A fresh token, asked for at each connect and before the present one ends; null: a watcher. While it throws, or does
   * not answer within 15 s, we watch, and it is asked again and again.
   */
  readonly token?: (() => Promise<string | null> | string | null) | null;
  /** For surroundings without a global WebSocket. */
  readonly WebSocket?: typeof WebSocket;
}

/**
 * One socket to the hub. It comes back by itself until `close()`. Where it is away the last known state stands. What a
 * listener throws is reported (`reportError`, or the console) and disturbs nobody.
 */
export interface Hub {
  readonly connection: Connection;
  readonly person: Events["person"];
  /**
   * Follow sessions (500 at most, else a RangeError; counted: each `watch` needs its `unwatch`, which is what it answers).
   * States come as `session` events, and to `listener` for these; what is known already is told to it at once (in a
   * microtask). What nobody follows any more is forgotten. Calls of one turn go out as one message.
   */
  watch(session: number | Iterable<number>, listener?: (state: SessionState) => void): () => void;
  /** `catalog` events from now on, and after each reconnect. */
  watchCatalog(listener?: (change: Events["catalog"]) => void): () => void;
  /**
   * Enter, and stay across reconnects until `leave`. While we are in, states and roster come as if it were watched.
   * Rejects with a Refusal. While not connected, or while `token()` fails, it waits (15 s at most).
   */
  join(session: number): Promise<Visit>;
  /** Also resolves when away: the hub itself ends the visit of a socket that does not come back. */
  leave(session: number): Promise<void>;
  /** The newest known state / roster. */
  state(session: number): SessionState | undefined;
  roster(session: number): ReadonlyMap<string, Person> | null;
  isIn(session: number): boolean;
  /** Answers what takes the listener away again. */
  on<E extends keyof Events>(event: E, listener: (detail: Events[E]) => void): () => void;
  /** Come back at once instead of waiting, or where the hub said not to; does nothing while open or after `close()`. */
  retry(): void;
  /** Another person, or the same with a new token: a new socket that asks `token()`; what was joined is left, watches stay. */
  signIn(): void;
  /** Leave what was joined, and end it for good. */
  close(): void;
}

/** Throws a TypeError that says what is wrong with the options, or what the WebSocket throws that can't be made here. */
export function connect(options?: Options): Hub;
