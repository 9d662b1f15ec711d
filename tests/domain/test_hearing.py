"""Which revisions were heard, whatever order they come in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.hearing import Heard


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=30))
def test_there_is_a_hole_exactly_while_something_before_what_was_heard_is_unknown(
    steps: list[tuple[bool, int]],
) -> None:
    heard, known, mentioned = Heard(0), set[int](), set[int]()
    for read, revision in steps:
        if read:
            heard.know(revision)
            known |= set(range(1, revision + 1))
        else:
            heard.hear(revision)
            known.add(revision)
        mentioned.add(revision)
        upto = next(n for n in range(14) if n + 1 not in known)
        assert heard.upto == upto
        assert heard.hole == (max(mentioned) > upto)
