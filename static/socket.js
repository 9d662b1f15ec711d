// One WebSocket to the hub that comes back by itself, and answers paired with what was asked.

import { Refusal } from "./api.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const STEADY_AFTER = 5_000;
const PING_EVERY = 25_000;
const ANSWER_WITHIN = 15_000;
const TOO_MUCH_PAUSE = 10_000;
const TOKEN_ENDED = 4401;
const TOO_MUCH = 4429;
const FOR_GOOD = { 1009: "The hub refused a message of this page.", 4400: "The hub did not understand this page.", 4403: "The hub sent this page away." };

/** `on` = {state, open, message, tokenEnded}; a state is {name: connecting | open | waiting | stopped, retryAt?, reason?}. */
export class HubSocket {
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.isOpen = false;
    this.tries = 0;
    this.lastId = 0;
    this.waiting = new Map();
    window.addEventListener("online", () => this.retryNow());
  }

  connect() {
    clearTimeout(this.retry);
    this.comeBackAt = null;
    this.on.state({ name: "connecting" });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = (event) => socket === this.socket && this.received(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.closed(event);
  }

  /** A new socket at once: another person needs one of their own. */
  restart() {
    this.letGo();
    this.tries = 0;
    this.connect();
  }

  retryNow() {
    if (!this.isOpen && this.socket?.readyState !== WebSocket.CONNECTING) this.connect();
  }

  /** Send, and wait for the `ok`; rejects with a Refusal. */
  request(message) {
    return new Promise((resolve, reject) => {
      const id = this.send(message);
      if (id === null) return reject(new Refusal("Not connected right now. Try again in a moment."));
      const timer = setTimeout(() => this.settle(id, "reject", new Refusal("The hub did not answer.")), ANSWER_WITHIN);
      this.waiting.set(id, { resolve, reject, timer });
    });
  }

  /** Send without waiting: the message's id, or null when there is no connection. */
  send(message) {
    if (!this.isOpen) return null;
    this.lastId += 1;
    this.socket.send(JSON.stringify({ ...message, id: this.lastId }));
    return this.lastId;
  }

  received(message) {
    if (message.type === "welcome") this.opened();
    else if (message.type === "ok" || message.type === "pong") this.settle(message.id, "resolve", message);
    else if (message.type === "error" && this.waiting.has(message.id)) {
      this.settle(message.id, "reject", new Refusal(message.message, message.code));
    } else if (message.type === "drain") this.drained(message.reconnectIn * 1000);
    else this.on.message(message);
  }

  opened() {
    this.isOpen = true;
    this.openedAt = Date.now();
    this.heart = setInterval(() => this.ping(), PING_EVERY);
    this.on.state({ name: "open" });
    this.on.open();
  }

  /** A network can die without a word; a ping without an answer tells. */
  async ping() {
    const { socket } = this;
    try {
      await this.request({ type: "ping" });
    } catch {
      if (socket === this.socket) this.closed({ code: 1006 });
    }
  }

  /** The hub restarts: come back when it says, also if it forgets to close. */
  drained(wait) {
    this.comeBackAt = Date.now() + wait;
    this.retry = setTimeout(() => this.restart(), wait);
  }

  closed({ code }) {
    if (this.openedAt && Date.now() - this.openedAt > STEADY_AFTER) this.tries = 0;
    const { comeBackAt } = this;
    this.letGo();
    if (code in FOR_GOOD) return this.on.state({ name: "stopped", reason: FOR_GOOD[code] });
    if (code === TOKEN_ENDED) this.on.tokenEnded();
    const wait = comeBackAt ? Math.max(0, comeBackAt - Date.now()) : this.pause(code);
    this.on.state({ name: "waiting", retryAt: Date.now() + wait });
    this.retry = setTimeout(() => this.connect(), wait);
  }

  /** Full jitter: anything from nothing to the ceiling, which doubles with each try. */
  pause(code) {
    const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.tries);
    this.tries += 1;
    return Math.random() * ceiling + (code === TOO_MUCH ? TOO_MUCH_PAUSE : 0);
  }

  letGo() {
    const { socket } = this;
    this.socket = null;
    this.isOpen = false;
    this.openedAt = null;
    this.comeBackAt = null;
    clearInterval(this.heart);
    clearTimeout(this.retry);
    for (const id of [...this.waiting.keys()]) {
      this.settle(id, "reject", new Refusal("The connection was lost before the hub answered."));
    }
    socket?.close();
  }

  settle(id, how, value) {
    const asked = this.waiting.get(id);
    if (!asked) return;
    this.waiting.delete(id);
    clearTimeout(asked.timer);
    asked[how](value);
  }
}
