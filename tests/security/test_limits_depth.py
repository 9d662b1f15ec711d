"""A4: how deep JSON may be."""

from __future__ import annotations

import pytest

from hub.errors import InvalidInput
from hub.strictjson import MOST_DEPTH, parse


def deep(levels: int) -> bytes:
    """Objects in each other, and in the innermost arrays."""
    objects, arrays = levels // 2, levels - levels // 2
    return b'{"a":' * objects + b"[" * arrays + b"]" * arrays + b"}" * objects


@pytest.mark.parametrize("levels", [1, 2, MOST_DEPTH - 1, MOST_DEPTH])
def test_A4_json_may_be_so_deep(levels: int) -> None:
    parse(deep(levels))
    parse(b"[" * levels + b"1" + b"]" * levels)


@pytest.mark.parametrize("levels", [MOST_DEPTH + 1, 500, 5_000, 30_000])
def test_A4_and_no_deeper(levels: int) -> None:
    for text in (deep(levels), b"[" * levels + b"1" + b"]" * levels, b"[1," + b"[" * levels + b"]" * levels + b"]"):
        with pytest.raises(InvalidInput, match="nested"):
            parse(text)


def test_A4_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    assert parse(b'"' + b"[" * 500 + b'"') == "[" * 500
    assert parse(b"[" + b",".join([b"{}"] * 500) + b"]") == [{}] * 500
