"""What a single member may hold: sizes are checked by these types, patterns are told to the reference alone."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated

from msgspec import Meta

from hub.text import UNSEEN


def _matching(pattern: str, words: str) -> Meta:
    """For the reference alone: `hub.web.forms` finds what does not fit, and says so in words of its own."""
    return Meta(description=words, extra_json_schema={"pattern": pattern})


BREAKING_OR_TURNING = r"\u007f-\u009f\u2028-\u202e\u2066-\u2069"
"""What `hub.text` keeps out of lines, as an ECMA-262 character class."""
IN_A_LINE = rf"[^\u0000-\u001f{BREAKING_OR_TURNING}]"
LINE = _matching(
    rf"^{IN_A_LINE}*[^\s\u0000-\u001f{BREAKING_OR_TURNING}{UNSEEN}]{IN_A_LINE}*$",
    "One line, not blank, without control characters.",
)
LINES = _matching(
    rf"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f{BREAKING_OR_TURNING}]*$",
    "Lines without control characters.",
)
PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3})"
ADDRESS = _matching(
    rf"^https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:{PORT})?([/?#][!-~]*)?$", "An https:// address."
)

Text = Annotated[str, Meta(max_length=10_000), LINES]
Name = Annotated[str, Meta(min_length=1, max_length=255), LINE]
Title = Annotated[str, Meta(min_length=1, max_length=200), LINE]
IANA = Meta(extra_json_schema={"format": "time-zone", "examples": ["Africa/Nairobi"]})
TimeZone = Annotated[str, Meta(min_length=1, max_length=255), IANA]
Instant = Annotated[datetime, Meta(tz=True), _matching("^[0-8]", "Before the year 9000.")]
Minutes = Annotated[int, Meta(ge=1, le=1440)]
Seats = Annotated[int, Meta(ge=1, le=1_000_000)]
HttpsUrl = Annotated[str, Meta(max_length=2048), ADDRESS]
Password = Annotated[str, Meta(min_length=1, max_length=255), LINE]


@cache
def time_zones() -> frozenset[str]:
    """The IANA's names of zones; the machine's folder has more (`localtime`, `right/UTC`), which browsers refuse."""
    return frozenset(files("tzdata").joinpath("zones").read_text().split()) - {"Factory"}  # which is no place
