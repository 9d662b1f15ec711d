"""Which letters a line of text may hold: all that words are written with, and none that break or turn the line."""

from __future__ import annotations

import re
from unicodedata import category

BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, lone surrogates, separators of lines and paragraphs."""

TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Letters that turn what follows around (UTR 36 §2.1.1): a title with one rewrites the page it is shown on."""

UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8" + "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What leaves no mark by itself (UAX 44: Default_Ignorable_Code_Point; and the empty Braille cell), as a class."""
SEEN = re.compile(rf"[^\s{UNSEEN}]")


def is_control(letter: str) -> bool:
    """Whether `letter` belongs in no line. Joiners and hard spaces do belong: emoji, Persian and French need them."""
    return category(letter) in BREAKING or letter in TURNING


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing of `text`."""
    return SEEN.search(text) is None
