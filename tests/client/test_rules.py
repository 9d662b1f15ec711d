"""The JavaScript client's rules in Node, on a scripted network; and that each fails without what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.client.javascript import HERE, deno, rules, run, without

FILES = ("line.mjs", "hostile.mjs", "watching.mjs", "rosters.mjs", "person.mjs", "members.mjs")


@pytest.mark.parametrize("file", FILES)
def test_the_clients_rules_hold(file: str) -> None:
    passed, failed, said = rules(file)

    assert failed == 0, said
    assert passed > 0


CONTROLS: Mapping[str, tuple[str, str, str, str, str]] = {
    "old revisions": (
        "hub-watching.js", "revision <= known.revision", "revision < 0", "watching.mjs", "old revisions are dropped",
    ),
    "a database that began anew": (
        "hub-watching.js", "this.#told.clear();", "", "watching.mjs", "a hub that began anew is believed",
    ),
    "the same state twice": (
        "hub-watching.js", "JSON.stringify(known) !== JSON.stringify(state)", "true",
        "watching.mjs", "the same one is not told again",
    ),
    "one message a turn": (
        "hub-watching.js", "if (this.#isGathering) return;", "if (this.#isReady) return void this.subscribe();",
        "watching.mjs", "goes out as one message",
    ),
    "roster repair": (
        "hub-rosters.js", "if (known?.revision !== previous) return this.#ask(session);", "if (!known) return;",
        "rosters.mjs", "whatever is lost or repeated",
    ),
    "asked once": (
        "hub-rosters.js", "if (this.#asked.has(session)) return;", "", "rosters.mjs", "a gap asks once",
    ),
    "known before a join": (
        "hub-client.js", ' && this.#isKnown) done', ") done", "person.mjs", "until it is known who joins",
    ),
    "a token for a socket that is gone": (
        "hub-client.js",
        "if (!this.#line.isAt(here)) return; // of a socket that is gone: who we are on this one is not its affair\n"
        "      this.#isKnown = true;",
        "this.#isKnown = this.#line.isAt(here);",
        "person.mjs", "answers late, for a socket",
    ),
    "a roster that is shown no longer": (
        "hub-rosters.js", "live !== people.size", "false", "rosters.mjs", "falls behind the count",
    ),
    "reconnect": ("hub-line.js", "() => this.#connect(), retryAt - now", "() => {}, 0", "line.mjs", "after 1006"),
    "stay away": ("hub-line.js", "if (!back) return", "if (!back) ", "line.mjs", "after 4403"),
    "jitter": ("hub-line.js", "Math.random() * Math.min", "Math.min", "line.mjs", "of a ceiling"),
    "back within the grace": ("hub-line.js", "const SOON = 4_000;", "const SOON = 30_000;", "line.mjs", "is back soon"),
    "a look at what comes": (
        "hub-messages.js", "every(([name, fits]) => fits(message[name]))", "every(() => true)",
        "hostile.mjs", "nothing of it is told",
    ),
    "a drain's bounds": ("hub-line.js", "&& told <= LONGEST_DRAIN", "", "hostile.mjs", "a drain"),
    "a socket that can't be made": (
        "hub-line.js", "report(error);\n      return null;", "throw error;", "hostile.mjs", "no socket can be made",
    ),
    "a welcome too many": (
        "hub-line.js", "if (this.isOpen) return;\n    clear", "clear", "hostile.mjs", "welcomes twice",
    ),
    "no token to renew": ("hub-person.js", "if (!this.#token) return;", "", "hostile.mjs", "without a token"),
    "a timer's range": ("hub-person.js", "Math.min(wait, LONGEST_TIMER)", "wait", "hostile.mjs", "far away"),
    "the told delay": ("hub-line.js", "due > now && !pause ? due :", "", "line.mjs", "delay is obeyed exactly"),
    "a forgotten close": (
        "hub-line.js", "setTimeout(() => this.restart(), wait)", "0", "line.mjs", "also without a close",
    ),
    "the pause": ("hub-line.js", "pause: 10_000", "pause: 0", "line.mjs", "4429 pauses"),
    "pings": ("hub-line.js", "setInterval(() => this.#ping(), PING_EVERY)", "0", "line.mjs", "a dead network"),
    "a look after a sleep": (
        "hub-line.js", "if (this.isOpen) this.#ping();", "if (this.isOpen) return;", "line.mjs", "after a long sleep",
    ),
    "the welcome": (
        "hub-line.js", 'this.#closed(LOST, "The hub did not answer."), ANSWER_WITHIN', "0, ANSWER_WITHIN",
        "line.mjs", "never welcomes",
    ),
    "an old socket": (
        "hub-line.js", "socket.onclose = ({ code, reason }) => socket === this.#socket &&",
        "socket.onclose = ({ code, reason }) =>", "line.mjs", "an old socket",
    ),
    "joins outlive": (
        "hub-client.js", "...away.map(([session, visit]) => this.#rejoin(session, visit)), ", "",
        "watching.mjs", "at each connect",
    ),
    "subscribe first": (
        "hub-client.js", "await Promise.all([...away", "this.#line.settled();\n    await Promise.all([...away",
        "watching.mjs", "open only once",
    ),
    "an end": (
        "hub-watching.js", 'if (status === "ended" || status === "cancelled")', "if (false)",
        "watching.mjs", "has ended we are out",
    ),
    "throwing listeners": (
        "hub-line.js", "report(error);\n    }", "throw error;\n    }", "watching.mjs", "that throws",
    ),
    "a token twice refused": (
        "hub-person.js", "if (this.#bad) return this.#giveUp(refusal);", "", "person.mjs", "when two in a row",
    ),
    "the refused one again": (
        "hub-person.js", "token === null || token === this.#bad.token", "token === null",
        "person.mjs", "where the token ended",
    ),
    "what passes": ("hub-person.js", "if (passes(refusal)) throw refusal;", "", "person.mjs", "asked again later"),
    "renewal": ("hub-person.js", "this.#renewIn(Date.now()", "void (Date.now()", "person.mjs", "renewed on the same"),
    "rest between renewals": (
        "hub-person.js", "this.#authAt < WARNED_BEFORE ? left / 2 : 0", "this.#authAt < 0 ? 0 : 0",
        "person.mjs", "short from the start",
    ),
    "another person": (
        "hub-person.js", 'if (refusal.code === "forbidden") return this.#line.restart();', "",
        "person.mjs", "a socket of its own",
    ),
}  # fmt: skip
"""Of each protection: where it is, what it is, what stands there instead, and which tests must then fail."""


@pytest.mark.parametrize("name", CONTROLS)
def test_control_without_it_the_rule_fails(name: str, tmp_path: Path) -> None:
    source, old, new, file, only = CONTROLS[name]

    passed, failed, said = rules(file, only, without(tmp_path, {old: new}, source))

    assert failed > 0, said
    assert passed + failed > 0


def test_the_types_take_a_program_that_uses_every_name_of_them(tmp_path: Path) -> None:
    code, said = checked("typed.ts", tmp_path)

    assert code == 0, said


def test_the_types_refuse_every_line_of_a_program_that_is_wrong(tmp_path: Path) -> None:
    code, said = checked("untyped.ts", tmp_path)
    wrong = len((HERE / "untyped.ts").read_text().strip().splitlines()) - 2

    assert code != 0
    assert {line for line in range(3, 3 + wrong) if f"untyped.ts:{line}:" not in said} == set(), said


def checked(file: str, folder: Path) -> tuple[int, str]:
    """What `deno check` says of it, offline."""
    return run(deno(), "check", "--no-config", "--no-lock", "--no-remote", str(HERE / file), DENO_DIR=str(folder))
