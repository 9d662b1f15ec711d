"""The floors hold: what may know what, what is pure, and how large a file may grow; each rule with its control."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests import floors

ROOT = Path(__file__).parents[1]
MODULES = floors.sources()


def planted(module: str, line: str) -> dict[str, str]:
    """The house with one more line at the end of a module."""
    return MODULES | {module: f"{MODULES.get(module, '')}\n{line}\n"}


def test_every_import_points_down_and_every_library_stays_in_its_place() -> None:
    assert floors.wrong_imports(MODULES) == []


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("hub.domain.booking", "from hub.store import reads", "hub.store.reads, which does not stand below"),
        ("hub.domain.booking", "import hub.web.rest", "hub.web.rest, which does not stand below"),
        ("hub.store.reads", "from hub import ledger", "hub.ledger, which does not stand below"),
        ("hub.rooms", "from hub.ledger import Ledger", "hub.ledger, which does not stand below"),
        ("hub.web.rest", "from hub.sockets import closing", "hub.sockets.closing, which does not stand below"),
        ("hub.sockets.lobby", "from hub.web.http import Call", "hub.web.http, which does not stand below"),
        ("hub.web.rest", "from hub.app import build", "hub.app, which does not stand below"),
        ("hub.errors", "from hub.domain import people", "hub.domain.people, which does not stand below"),
        ("hub.web.rest", "from .forms import Form", "imports relatively"),
        ("hub.ledger", "from sqlalchemy import text", "imports sqlalchemy"),
        ("hub.web.rest", "import sqlalchemy.orm", "imports sqlalchemy"),
        ("hub.rooms", "from starlette.requests import Request", "imports starlette"),
        ("hub.web.gate", "import jwt", "imports jwt"),
        ("hub.bus.memory", "import redis", "imports redis"),
        ("hub.waitinglist", "import json", "hub.waitinglist has no floor"),
    ],
)
def test_a_planted_import_is_caught(module: str, line: str, said: str) -> None:
    (wrong,) = floors.wrong_imports(planted(module, line))
    assert said in wrong


@pytest.mark.parametrize("module", [name for name in MODULES if floors.within(name, "hub.domain")])
def test_the_rules_are_pure(module: str) -> None:
    assert floors.impurities(module, MODULES[module]) == []


@pytest.mark.parametrize(
    "line",
    [
        "stamp = datetime.now()",
        "stamp = datetime.now(UTC)",
        "day = date.today()",
        "name = uuid4()",
        "import uuid",
        "import random",
        "import time",
        "from os import environ",
        "import asyncio",
        "import msgspec",
        "from hub import views",
        "async def wait(): pass",
        "print(1)",
    ],
)
def test_a_planted_impurity_is_caught(line: str) -> None:
    assert len(floors.impurities("hub.domain.booking", planted("hub.domain.booking", line)["hub.domain.booking"])) == 1


def test_nothing_is_imported_inside_a_function_but_what_most_processes_do_without() -> None:
    assert [wrong for module, source in MODULES.items() for wrong in floors.hidden_imports(module, source)] == []
    late = "def late():\n    from hub.bus.redis import RedisBus\n"
    assert floors.hidden_imports("hub.app", late) == []
    assert floors.hidden_imports("hub.rooms", late) == ["hub.rooms:2 imports hub.bus.redis.RedisBus inside something"]
    assert floors.hidden_imports("hub.app", "if True:\n    import json\n") == [
        "hub.app:2 imports json inside something"
    ]


def test_what_may_be_imported_late_is() -> None:
    named = {(module, room) for module, rooms in floors.LATE.items() for room in rooms}
    late = {(module, name) for module in floors.LATE for _, name in floors.late_imports(module, MODULES[module])}
    assert {
        (module, room) for module, name in late for room in floors.LATE[module] if floors.within(name, room)
    } == named


def test_no_modules_import_each_other() -> None:
    assert floors.cycle(MODULES) == []
    ring = planted("hub.domain.people", "from hub.domain import roster")
    assert {"hub.domain.people", "hub.domain.roster"} <= set(floors.cycle(ring))


def test_no_file_is_too_long() -> None:
    long = {module: len(source.splitlines()) for module, source in MODULES.items()}
    assert {module: lines for module, lines in long.items() if lines > floors.MOST_LINES} == {}


def test_all_that_is_public_says_what_it_is() -> None:
    assert [name for module, source in MODULES.items() for name in floors.undocumented(module, source)] == []
    source = '"""A module."""\nclass Told:\n    """Told."""\n    def silent(self): ...\n    def _own(self): ...\n'
    assert floors.undocumented("planted", source) == ["planted.Told.silent"]
    assert floors.undocumented("planted", "") == ["planted"]


def test_every_package_is_installed() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(file.relative_to(ROOT).parent.parts) for file in (ROOT / "hub").rglob("*.py")}
    assert set(named) == there | {"hub.web.static"}
