"""The roster kept from announcements: however they come, it is the one that a fresh read would give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.events import Present, PublicState, RosterRule, SessionChanged
from hub.domain.model import RosterVisibility, Status
from hub.domain.people import Role
from hub.domain.roster import Roster, may_see_roster

START = datetime(2025, 8, 25, 12, 0, tzinfo=UTC)
PEOPLE = [f"p{number}" for number in range(6)]
RULE = RosterRule("e-7", RosterVisibility.PARTICIPANTS)


def announce(revision: int, joined: tuple[Present, ...] = (), left: tuple[str, ...] = ()) -> SessionChanged:
    """What is said of one commit."""
    state = PublicState(1, revision, Status.ACTIVE, 0, 99, 0, None, START, START, None)
    return SessionChanged(state, RULE, joined=joined, left=left)


def someone(user_id: str, revision: int) -> Present:
    """Who joined at this revision."""
    return Present(user_id, user_id.title(), Role.STUDENT, START + timedelta(seconds=revision))


@dataclass
class Story:
    """Everyone present at each revision, and the announcement that led there; index 0 is revision 1."""

    rosters: list[dict[str, Present]]
    said: list[SessionChanged]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Up to thirty commits: people toggle, and some commits are of seats alone."""
    toggles = draw(st.lists(st.sets(st.sampled_from(PEOPLE), max_size=3), max_size=30))
    rosters: list[dict[str, Present]] = [{}]
    said = [announce(1)]
    for revision, toggled in enumerate(toggles, start=2):
        before = rosters[-1]
        joined = tuple(someone(user, revision) for user in sorted(toggled) if user not in before)
        left = tuple(sorted(toggled & before.keys()))
        after = {user: line for user, line in before.items() if user not in left}
        rosters.append(after | {line.id: line for line in joined})
        said.append(announce(revision, joined, left))
    return Story(rosters, said)


def in_order(people: dict[str, Present]) -> list[Present]:
    """As a roster shows them."""
    return sorted(people.values(), key=lambda line: (line.joined_at, line.id))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(stories(), st.data())
def test_any_split_and_any_repetition_of_announcements_is_the_final_roster(story: Story, data: st.DataObject) -> None:
    last = len(story.said)
    begin = data.draw(st.integers(1, last), label="revision of the snapshot")
    roster = Roster(begin, story.rosters[begin - 1].values())
    told = dict(story.rosters[begin - 1])
    told_revision = begin
    for revision in range(max(1, begin - 3), last + 1):  # what is older than the snapshot comes too
        for old in data.draw(st.lists(st.integers(1, revision), max_size=2), label="heard again"):
            roster.hear(story.said[min(old, max(begin, revision - 1)) - 1])
        assert roster.hear(story.said[revision - 1]) == (revision > begin)
        assert not roster.hole
        if data.draw(st.booleans(), label="told now"):
            news = roster.news()
            if news is not None:
                assert news.previous == told_revision < news.revision <= revision
                assert news.joined or news.left
                for user in news.left:
                    del told[user]
                told |= {line.id: line for line in news.joined}
                told_revision = news.revision
            assert told == story.rosters[max(begin, revision) - 1]
            assert roster.people() == in_order(told)
            assert roster.revision == told_revision
    roster.news()
    assert roster.people() == in_order(story.rosters[-1])
    assert roster.news() is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(stories(), st.data())
def test_a_hole_is_told_and_nothing_after_it_is_believed(story: Story, data: st.DataObject) -> None:
    last = len(story.said)
    missing = data.draw(st.integers(1, last), label="lost")
    roster = Roster(0, ())
    for revision in range(1, missing):
        assert roster.hear(story.said[revision - 1])
    for revision in range(missing + 1, last + 1):
        assert not roster.hear(story.said[revision - 1])
        assert roster.hole
    roster.news()
    assert roster.people() == in_order(story.rosters[missing - 2] if missing > 1 else {})
    assert roster.hear(story.said[missing - 1])
    assert not roster.hole
    roster.news()
    assert roster.people() == in_order(story.rosters[-1])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(stories(), st.data())
def test_announcements_that_overtake_each_other_make_the_same_roster(story: Story, data: st.DataObject) -> None:
    roster = Roster(0, ())
    heard: set[int] = set()
    for change in data.draw(st.permutations(story.said)):
        roster.hear(change)
        heard.add(change.state.revision)
        upto = next(revision for revision in range(len(story.said) + 2) if revision + 1 not in heard)
        assert roster.hole == (len(heard) > upto)
        roster.news()
        assert roster.people() == in_order(story.rosters[upto - 1] if upto else {})
    assert roster.people() == in_order(story.rosters[-1])


def test_who_comes_and_goes_between_two_tellings_is_not_told() -> None:
    roster = Roster(1, ())
    assert roster.hear(announce(2, joined=(someone("ann", 2),)))
    assert roster.hear(announce(3, left=("ann",)))
    assert roster.news() is None
    assert (roster.people(), roster.revision) == ([], 1)


def test_who_goes_and_comes_back_between_two_tellings_has_joined_anew() -> None:
    roster = Roster(1, [someone("ann", 1)])
    assert roster.hear(announce(2, left=("ann",)))
    assert roster.hear(announce(3, joined=(someone("ann", 3),)))
    news = roster.news()
    assert news is not None
    assert (news.previous, news.revision, news.joined, news.left) == (1, 3, (someone("ann", 3),), ())


def test_what_nobody_was_told_yet_is_in_no_roster() -> None:
    roster = Roster(1, [someone("ann", 1)])
    assert roster.hear(announce(2, joined=(someone("bob", 2),)))
    assert [line.id for line in roster.people()] == ["ann"]
    roster.news()
    assert [line.id for line in roster.people()] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("visibility", "who", "live", "sees"),
    [
        (RosterVisibility.PARTICIPANTS, "ann", 2, True),
        (RosterVisibility.PARTICIPANTS, "ann", 3, False),
        (RosterVisibility.HOST, "ann", 1, False),
        (RosterVisibility.PARTICIPANTS, "e-7", 1_000, True),
        (RosterVisibility.HOST, "e-7", 1_000, True),
    ],
)
def test_names_are_for_the_host_and_for_participants_while_the_rule_and_the_limit_allow(
    visibility: RosterVisibility, who: str, live: int, sees: bool
) -> None:
    assert may_see_roster(RosterRule("e-7", visibility), host=who == "e-7", live=live, limit=2) is sees
