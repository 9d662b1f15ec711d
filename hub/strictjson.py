"""JSON as strangers send it: refused where parsers disagree, since that is where attacks live."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from hub.errors import Fault, InvalidInput

MOST_DEPTH = 32
"""Objects and arrays within each other; nothing that is read here needs a fifth of that."""
LONGEST_INT = 309
"""Digits; a double holds no more (RFC 8259 §6)."""


def parse(text: str | bytes) -> Any:
    """The value; raises InvalidInput for what RFC 8259 does not allow, and for duplicate keys and lone surrogates."""
    try:
        if isinstance(text, bytes):
            text = text.decode()  # json.loads would take UTF-16 and UTF-32 too, and surrogates as bytes
        if text[:1] == "\ufeff":
            raise ValueError("it begins with a byte order mark")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
        if text.count("{") + text.count("[") > MOST_DEPTH:
            _refuse_depth(value)
        if "\\u" in text:
            _refuse_surrogates(value)
    except RecursionError:
        raise _refusal("it is nested too deeply") from None
    except UnicodeError:
        raise _refusal("it is not UTF-8") from None
    except ValueError as error:
        raise _refusal(str(error)) from None
    return value


def _refusal(why: str) -> InvalidInput:
    return InvalidInput("This is not valid JSON: " + why + ".", errors=[Fault("", "must be valid JSON (RFC 8259)")])


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is named twice in one object")
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _int(digits: str) -> int:
    if len(digits) > LONGEST_INT:
        raise ValueError("a number is too large")
    return int(digits)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _refuse_depth(value: Any) -> None:
    level = _inside([value])
    for _ in range(MOST_DEPTH):
        level = [inner for one in level for inner in _inside(one.values() if isinstance(one, dict) else one)]
    if level:
        raise ValueError(f"it is nested over {MOST_DEPTH} deep")


def _inside(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _refuse_surrogates(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_surrogates(name)
            _refuse_surrogates(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_surrogates(member)
