"""What msgspec found wrong with a value, in words for people: what is accepted, and where it stands."""

from __future__ import annotations

import re

KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "datetime": "an instant, like 2030-01-01T09:00:00Z",
    "null": "null",
}

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"Expected `datetime` with a timezone component"),
        "must say its offset from UTC, as in 2030-01-01T09:00:00Z",
    ),
    (re.compile(r"Invalid RFC3339 encoded datetime"), "must be an instant, like 2030-01-01T09:00:00Z (RFC 3339)"),
    (
        re.compile(r"Expected `str` matching regex '\^\[A-Z\]\{3\}\$'"),
        "must be three capital letters, like KES (ISO 4217)",
    ),
    (re.compile(r"Expected `str` of length >= 1"), "must not be empty"),
    (re.compile(r"Expected `str` of length <= (\d+)"), r"must hold at most \1 characters"),
    (re.compile(r"Expected `array` of length <= (\d+)"), r"must hold at most \1 entries"),
    (re.compile(r"Expected `(?:int|float)` >= (\S+)"), r"must be \1 or more"),
    (re.compile(r"Expected `(?:int|float)` <= (\S+)"), r"must be \1 or less"),
    (re.compile(r"Object missing required field `(\w+)`"), r"`\1` is required"),
    (re.compile(r"Object contains unknown field `(.*)`", re.DOTALL), "holds a member that is not known here"),
)

WRONG_KIND = re.compile(r"Expected `([a-z |]+)`, got `([a-z]+)`")


def told(error: str) -> tuple[str, str]:
    """msgspec's message as a detail (no capital, no full stop) and a JSON pointer from where it was looking."""
    words, _, path = error.partition(" - at `$")
    pointer = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "").replace("...", "-")
    wrong_kind = WRONG_KIND.fullmatch(words)
    if wrong_kind is not None:
        wanted = " or ".join(KINDS.get(kind, kind) for kind in wrong_kind[1].split(" | "))
        return f"must be {wanted}, not {KINDS.get(wrong_kind[2], wrong_kind[2])}", pointer
    for pattern, wording in PATTERNS:
        match = pattern.fullmatch(words)
        if match is not None:
            return match.expand(wording), pointer
    return words[:1].lower() + words[1:], pointer
