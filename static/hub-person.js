// hub-client.js, who we are to the hub: a fresh token at each connect, the next before it ends, and none once refused.

import { ANSWER_WITHIN, jitter, passes, Refusal, report, TOKEN_ENDED } from "./hub-line.js";

const WARNED_BEFORE = 60_000; // the end of a token; of one that lasts no longer the hub warns at once
const LEAST_RENEWAL = 250;
const LONGEST_TIMER = 2 ** 31 - 1; // beyond it, a timer is due at once

/** `on` is told: person (or null), another (an Error: the hub knows us as another person), refused (a Refusal). */
export class Person {
  known = null;
  #token;
  #line;
  #on;
  #bad = null; // the last token that was refused or ended: {token, refusal}
  #givenUp = false;
  #current = null;
  #authAt = 0;
  #endsAt = 0;
  #tries = 0;
  #timer = 0;

  constructor(token, line, on) {
    this.#token = token;
    this.#line = line;
    this.#on = on;
  }

  /** Ask `token()` again, though it had nothing that the hub takes. */
  anew() {
    this.#bad = null;
    this.#givenUp = false;
  }

  rest() {
    clearTimeout(this.#timer);
  }

  /** The token that this socket spoke by has ended: the same one is no better on the next. */
  closed(code, reason) {
    if (code === TOKEN_ENDED && this.#current) {
      this.#bad = { token: this.#current, refusal: new Refusal(reason || "The token ended.", "token_expired") };
    }
  }

  /** Say who we are on a new socket. Whether that is settled; rejects with what passes. */
  async identify() {
    const { here } = this.#line;
    this.rest();
    this.#current = null;
    while (this.#token && !this.#givenUp && this.#line.isAt(here)) {
      const token = await this.#ask();
      if (!this.#line.isAt(here)) break;
      if (this.#bad && (token === null || token === this.#bad.token)) return this.#giveUp(this.#bad.refusal);
      if (token === null) return this.#be(null);
      try {
        return await this.#auth(token);
      } catch (refusal) {
        if (passes(refusal)) throw refusal;
        if (this.#bad) return this.#giveUp(refusal);
        this.#bad = { token, refusal };
      }
    }
  }

  /** The hub warns that the token ends. One that is short anyway is renewed at half its time, or we never rested. */
  expiring(seconds) {
    if (!this.#token) return;
    const left = seconds * 1000;
    this.#endsAt = Date.now() + left;
    this.#tries = 0;
    this.#renewIn(Date.now() - this.#authAt < WARNED_BEFORE ? left / 2 : 0);
  }

  #renewIn(wait) {
    const { here } = this.#line;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renew(here), Math.min(wait, LONGEST_TIMER));
  }

  async #renew(here) {
    try {
      const token = this.#line.isAt(here) ? await this.#ask() : null;
      if (!this.#line.isAt(here)) return;
      if (token !== null && token !== this.#current) return await this.#auth(token);
    } catch (refusal) {
      if (!this.#line.isAt(here)) return;
      if (refusal.code === "forbidden") return this.#line.restart(); // another person: a socket of their own
      if (!(refusal instanceof Refusal)) report(refusal);
    }
    const left = this.#endsAt - Date.now();
    if (left > 0) this.#renewIn(Math.min(jitter(this.#tries++), left / 2) + LEAST_RENEWAL);
  }

  /** What `token()` answers, in time; rejects with what it throws. */
  async #ask() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Refusal("`token()` did not answer.")), ANSWER_WITHIN);
    });
    try {
      const token = (await Promise.race([late, (async () => this.#token())()])) ?? null;
      if (token === null || typeof token === "string") return token;
      throw new TypeError("`token()` must answer a string, or null for a watcher.");
    } finally {
      clearTimeout(timer);
    }
  }

  async #auth(token) {
    this.#authAt = Date.now();
    const { user, role, expiresAt } = await this.#line.ask({ type: "auth", token });
    this.#current = token;
    this.#bad = null;
    this.#be({ user, role, expiresAt });
  }

  #be(person) {
    const before = this.known;
    this.known = person;
    if (before && person && (before.user !== person.user || before.role !== person.role)) {
      this.#on.another(new Refusal("Another person is signed in now.", "forbidden"));
    }
    if (before?.user !== person?.user || before?.role !== person?.role || before?.expiresAt !== person?.expiresAt) {
      this.#on.person(person);
    }
  }

  #giveUp(refusal) {
    this.#givenUp = true;
    this.#bad = null;
    this.#be(null);
    this.#on.refused(refusal);
  }
}
