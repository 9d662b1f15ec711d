"""Logs: a line a fact, for people or for machines; what a client sent never breaks a line, nor forges one.

Members come from `extra` of the hub's own loggers. Others' are dropped: they may be whole requests and connections.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

OWN = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message"})
"""What a record has without `extra`, whichever Python made it."""
PLAIN = re.compile(r"[\w./:@+{}-]+", re.ASCII)
"""A value that needs no quotes."""


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, then the members, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; JSON's escapes stand for every letter that does not print."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in members(record).items():
            line.setdefault(name, value)
        if traceback := _traceback(self, record):
            line["exception"] = traceback
        return as_json(line)


class TextLines(logging.Formatter):
    """`time level logger: message name=value …`; a traceback follows, each of its lines behind a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback if there is one."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = f"{moment} {record.levelname.lower()} {record.name}: {printable(record.getMessage())}"
        told = "".join([f" {printable(name)}={_value(value)}" for name, value in members(record).items()])
        below = "".join([f"\n  | {printable(row)}" for row in _traceback(self, record).splitlines()])
        return f"{line}{told}{below}"


def members(record: logging.LogRecord) -> Mapping[str, object]:
    """What `extra` gave a record of the hub's own; None says that there is nothing to say."""
    if record.name.partition(".")[0] != "hub":
        return {}
    return {name: value for name, value in record.__dict__.items() if name not in OWN and value is not None}


def printable(text: str) -> str:
    """The text with an escape of Python's for each letter that does not print: breaks, controls, turns, surrogates."""
    if text.isprintable():
        return text
    return "".join([letter if letter.isprintable() else _escape(letter) for letter in text])


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def as_json(value: object) -> str:
    """JSON on one line, of letters that print; a lone surrogate, which JSON can't carry, becomes its escape as text."""
    try:
        line = msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:
        line = msgspec.json.encode(_whole(value), enc_hook=str).decode()
    if line.isprintable():
        return line
    return "".join([letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in line])


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_whole(one) for one in value]
    return value


def _value(value: object) -> str:
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else as_json(value)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    return "\n".join([*parts, *([record.stack_info] if record.stack_info else [])])


def set_up(log_format: str) -> None:
    """Log to standard error as `text` or `json`."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[stream], force=True)
    # It warns of every request that is none, without bound; `hub.audit` tells them too.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
