"""Who is slow, who is stuck, and who asks for more than is kept: rules over octets, without a socket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.sockets.backlog import LEAST_TAKEN, LOOKS, MOST_ASKED, MOST_LOOKS, Backlog


def test_who_takes_nothing_is_stuck_after_a_whole_time_out() -> None:
    backlog = Backlog(40_000)
    for _ in range(LOOKS - 1):
        assert not backlog.look(40_000)
        assert not backlog.stuck
    assert not backlog.look(40_000)
    assert backlog.stuck


def test_who_takes_some_within_each_time_out_stays_slow_for_a_while_and_no_longer() -> None:
    backlog, unsent = Backlog(40_000), 40_000
    for look in range(1, MOST_LOOKS):
        if look % (LOOKS - 1) == 0:
            unsent -= LEAST_TAKEN
        backlog.look(unsent)
        assert not backlog.stuck
    backlog.look(unsent - LEAST_TAKEN)
    assert backlog.stuck


def test_a_trickle_is_summed_up_over_the_looks() -> None:
    backlog = Backlog(10_000)
    assert not backlog.look(10_000 - LEAST_TAKEN + 1)
    assert backlog.look(10_000 - LEAST_TAKEN)


def test_octets_that_are_taken_count_while_others_are_added() -> None:
    backlog = Backlog(10_000)
    assert backlog.grow(LEAST_TAKEN)
    assert backlog.look(10_000)


@given(st.lists(st.integers(1, MOST_ASKED), min_size=1))
def test_more_than_is_kept_may_not_be_asked_for_in_whatever_pieces(pieces: list[int]) -> None:
    backlog = Backlog(0)
    assert [backlog.grow(piece) for piece in pieces] == [
        sum(pieces[: number + 1]) <= MOST_ASKED for number in range(len(pieces))
    ]
