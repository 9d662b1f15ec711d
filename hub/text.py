"""Which letters a line of text may hold: all that words are written with, and none that break or turn the line."""

from __future__ import annotations

from unicodedata import category

BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, lone surrogates, separators of lines and paragraphs."""

TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Letters that turn what follows around (UTR 36 §2.1.1): a title with one rewrites the page it is shown on."""


def is_control(letter: str) -> bool:
    """Whether `letter` belongs in no line. Joiners and hard spaces do belong: emoji, Persian and French need them."""
    return category(letter) in BREAKING or letter in TURNING
