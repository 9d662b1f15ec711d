"""Logs: a line a fact, for people or for machines; what a client sent never breaks a line, nor forges one.

Members come from `extra` of the hub's own loggers. Others' are dropped: they may be whole requests and connections.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import TextIO

import msgspec

FIRST = len(logging.makeLogRecord({}).__dict__)
"""How many attributes a record has before those of `extra`."""
LAST = frozenset({"message", "asctime"})
"""What formatters add after them."""
PLAIN = re.compile(r"[\w./:@+{}-]+", re.ASCII).fullmatch
"""Whether a value needs no quotes."""


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `pid`, `logger`, `message`, then the members, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; JSON's escapes stand for every letter that does not print."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "pid": os.getpid(),
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
        moment = f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03}+00:00"
        line = f"{moment} {record.levelname.lower()} {record.name}: {record.getMessage()}"
        told = "".join([f" {name}={_value(value)}" for name, value in members(record).items()])
        below = "".join([f"\n  | {printable(row)}" for row in _traceback(self, record).splitlines()])
        return f"{printable(line + told)}{below}"


def members(record: logging.LogRecord) -> Mapping[str, object]:
    """What `extra` gave a record of the hub's own; None says that there is nothing to say."""
    if not _is_ours(record.name):
        return {}
    given = islice(record.__dict__.items(), FIRST, None)
    return {name: value for name, value in given if value is not None and name not in LAST}


@lru_cache
def _is_ours(logger: str) -> bool:
    return logger.partition(".")[0] == "hub"


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
    if isinstance(value, str):
        return _word(value)
    return str(value) if type(value) is int or type(value) is float else as_json(value)


@lru_cache(4096)
def _word(text: str) -> str:
    return text if PLAIN(text) else as_json(text)


@lru_cache(2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    return "\n".join([*parts, *([record.stack_info] if record.stack_info else [])])


class Together(logging.StreamHandler[TextIO]):
    """Writes what is told in one turn of the loop at once, when the turn ends; an error, and what threads tell, now.

    A write lets go of the interpreter, so the loop would wait for the thread of the database as often as it tells.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._due: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        try:
            self._lines.append(self.format(record))
            loop = _running_loop()
            if loop is None or record.levelno >= logging.ERROR:
                self.flush()
            elif self._due is not loop:
                self._due = loop
                loop.call_soon(self.flush)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what was taken."""
        with self.lock or nullcontext():
            lines, self._lines, self._due = self._lines, [], None
            if lines:
                self.stream.write("\n".join([*lines, ""]))
            super().flush()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def set_up(log_format: str) -> None:
    """Log to standard error as `text` or `json`."""
    stream = Together(sys.stderr)
    stream.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[stream], force=True)
    # It warns of every request that is none, without bound; `hub.audit` tells them too.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Nothing here tells of them, and looking for them is a third of what a line costs ("Optimization" in its HOWTO).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
