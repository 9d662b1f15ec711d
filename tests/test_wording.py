"""What is wrong with a value is told in words for people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from hub.wording import told


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """Something with members."""

    amount: int


@pytest.mark.parametrize(
    ("value", "kind", "said", "pointer"),
    [
        (5, str, "must be text, not a whole number", ""),
        ("x", int | None, "must be a whole number or null, not text", ""),
        ("", Annotated[str, Meta(min_length=1)], "must not be empty", ""),
        ("xxx", Annotated[str, Meta(max_length=2)], "must hold at most 2 characters", ""),
        ("kes", Annotated[str, Meta(pattern="^[A-Z]{3}$")], "must be three capital letters, like KES (ISO 4217)", ""),
        (0, Annotated[int, Meta(ge=1)], "must be 1 or more", ""),
        (9, Annotated[int, Meta(le=8)], "must be 8 or less", ""),
        ([1, 2], Annotated[list[int], Meta(max_length=1)], "must hold at most 1 entries", ""),
        ("2030-01-01T00:00:00", Annotated[datetime, Meta(tz=True)], "must say its offset from UTC", ""),
        ("soon", datetime, "must be an instant, like", ""),
        ({}, Inner, "`amount` is required", ""),
        ({"amount": 1, "x": 2}, Inner, "holds a member that is not known here", ""),
        ([1, "2"], list[int], "must be a whole number, not text", "/1"),
        ({"amount": None}, Inner, "must be a whole number, not null", "/amount"),
    ],
)
def test_each_fault_says_what_is_accepted_and_where(value: Any, kind: Any, said: str, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)

    detail, where = told(str(caught.value))

    assert detail.startswith(said)
    assert where == pointer


def test_what_is_not_foreseen_is_told_as_it_is() -> None:
    assert told("Something New - at `$.a`") == ("something New", "/a")
