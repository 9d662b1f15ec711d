"""Whatever is lost, doubled or late, and whoever comes and goes: the newest state wins, the roster is the truth in the
end, and where we are after a reconnect is where we want to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.client import SessionState
from hub.client.orders import Asks
from hub.client.rosters import Roster
from hub.client.wishes import Wishes
from tests.pyclient.body import Body, change, opened, state, whole

USERS = ["ann", "bob", "cy", "dee"]
order = st.lists(st.integers(0, 30), max_size=60)


@given(order)
@settings(max_examples=200, deadline=None)
def test_in_any_order_the_newest_state_wins_and_none_is_told_twice(revisions: list[int]) -> None:
    body = opened()
    body.watch(1)
    for revision in revisions:
        body.hear(state(1, revision + 1, live=revision))
    told = [one.revision for one in body.of(SessionState)]
    assert told == sorted(set(told))
    assert told[-1:] == [max(revisions) + 1 for _ in revisions[:1]]


@dataclass
class Truth:
    """Who is present, at which revision, and the message that led there."""

    revision: int
    people: set[str]
    said: dict[str, Any]


def story(moves: list[str]) -> list[Truth]:
    """Each move is of one person, who comes or goes."""
    people: set[str] = set()
    told = [Truth(1, set(), whole(1, 1))]
    for number, user in enumerate(moves, start=1):
        comes = user not in people
        people ^= {user}
        said = change(1, number, number + 1, **{"joined" if comes else "left": user})
        told.append(Truth(number + 1, set(people), said))
    return told


fates = st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from(["once", "lost", "twice", "late"])), max_size=30)


def follow(body: Body, fate: list[tuple[str, str]]) -> set[str] | None:
    """Let the hub tell a story with these accidents, answer what is asked for; who is present in the client's eyes."""
    told = story([user for user, _ in fate])
    body.watch(1)
    body.hear(told[0].said)
    late: list[dict[str, Any]] = []
    now = told[0]
    for (_, how), now in zip(fate, told[1:], strict=True):
        if how == "late":
            late.append(now.said)
            continue
        body.hear(*([now.said] * {"once": 1, "lost": 0, "twice": 2}[how]), *late)
        late.clear()
        answer(body, now)
    body.hear(*late, state(1, now.revision + 1, live=len(now.people)), change(1, now.revision, now.revision + 1))
    answer(body, now)
    people = body.machine.roster(1)
    return None if people is None else set(people)


def answer(body: Body, now: Truth) -> None:
    """The hub's answer to being asked for the roster."""
    while any(one["type"] == "roster" for one in body.said):
        body.said = [one for one in body.said if one["type"] != "roster"]
        body.hear(whole(1, now.revision, *sorted(now.people)))


@given(fates)
@settings(max_examples=300, deadline=None)
def test_after_any_accident_the_roster_is_the_truth(fate: list[tuple[str, str]]) -> None:
    assert follow(opened(), fate) == story([user for user, _ in fate])[-1].people


def test_a_client_that_does_not_look_at_previous_ends_with_a_wrong_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Roster, "follows", lambda self, change: self.people is not None)
    fate = [("ann", "once"), ("bob", "lost"), ("cy", "once")]
    assert follow(opened(), fate) != {"ann", "bob", "cy"}


@dataclass
class Room:
    """A hub that answers joins and leaves of a connection, in order, as far as it is there."""

    inside: set[int]
    read: int = 0

    def take(self, body: Body, most: int) -> None:
        """Read some of what was said and answer it."""
        for said in body.said[self.read : self.read + most]:
            self.read += 1
            if said["type"] == "join":
                self.inside.add(said["session"])
                body.ok(said, participant="v", meeting=None)
            elif said["type"] == "leave":
                self.inside.discard(said["session"])
                body.ok(said)


moves = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "answer", "cut", "drain"]), st.integers(1, 3)), max_size=40
)


def live(story: list[tuple[str, int]]) -> tuple[set[int], set[int], set[int]]:
    """Where the hub, the client and whoever uses it have us in the end, after one more reconnect."""
    body, room = opened(), Room(set())
    wanted: set[int] = set()
    asked: dict[int, int] = {}
    for what, which in story:
        if what == "join":
            asked[body.join(which)] = which
        elif what == "leave":
            asked = {number: session for number, session in asked.items() if session != which}
            wanted.discard(which)
            body.machine.leave(which, body.now)
            body.pump()
        elif what == "answer":
            room.take(body, which)
        else:
            reconnect(body, room, drained=what == "drain")
        wanted |= let_in(body, asked)
    room.take(body, 1_000)
    wanted |= let_in(body, asked)
    reconnect(body, room, drained=False)
    room.take(body, 1_000)
    return room.inside, {session for session in (1, 2, 3) if body.machine.is_in(session)}, wanted


@given(moves)
@settings(max_examples=300, deadline=None)
def test_after_any_accident_we_are_where_we_want_to_be(story: list[tuple[str, int]]) -> None:
    inside, known, wanted = live(story)
    assert inside == known == wanted


def test_a_client_that_does_not_join_again_is_not_where_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wishes, "to_enter", lambda self: [])
    inside, _, wanted = live([("join", 1), ("answer", 1)])
    assert (inside, wanted) == (set(), {1})


def test_a_client_that_forgets_who_left_before_the_answer_is_where_nobody_wants_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Asks, "take_back", lambda self, session: [])
    inside, _, wanted = live([("join", 1), ("leave", 1)])
    assert (inside, wanted) == ({1}, set())


def let_in(body: Body, asked: dict[int, int]) -> set[int]:
    """Sessions whose joins have been answered, and not with a refusal."""
    done = [number for number in asked if number in body.answers]
    return {asked.pop(number) for number in done if body.answers[number].refusal is None} if done else set()


def reconnect(body: Body, room: Room, *, drained: bool) -> None:
    """The connection ends, and with it all that it was in; another one opens."""
    if drained:
        body.hear("drain", reconnectIn=0.1)
    body.close(1012 if drained else 1006)
    room.inside.clear()
    body.machine.retry(body.now)
    body.pump()
    room.read = len(body.said)
    body.welcome()
