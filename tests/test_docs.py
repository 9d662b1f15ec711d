"""The documents say what the code does."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import get_args

from starlette.routing import Route

from hub import checks, errors
from hub.cli import main
from hub.metrics.table import FIGURES, PROCESS, row
from hub.settings import Settings
from hub.sockets import asyncapi, closing, messages
from hub.web import problems
from tests.running import Running

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_setting_stands_in_the_readme_and_none_beside() -> None:
    table = re.findall(r"^\| (`HUB_.*?) \|", README, re.MULTILINE)
    named = set(re.findall(r"`(HUB_\w+)`", " ".join(table)))

    assert named == {f"HUB_{setting.name.upper()}" for setting in dataclasses.fields(Settings)}


def test_every_setting_says_its_unit_or_reason_in_the_code() -> None:
    source = (ROOT / "hub" / "settings.py").read_text()

    for setting in dataclasses.fields(Settings):
        assert re.search(rf'^    {setting.name}: .*\n    """', source, re.MULTILINE), setting.name


def test_every_figure_stands_in_the_readme_as_the_table_of_the_code_has_it_and_none_beside() -> None:
    section = README[README.index("### Figures\n") :].split("\n## ")[0]

    assert re.findall(r"^\| `.*$", section, re.MULTILINE) == [row(figure) for figure in FIGURES]
    assert [name for name in PROCESS if f"`{name}`" not in section] == []


def test_every_command_stands_in_the_readme() -> None:
    for command in main.commands:
        assert f"hub {command}" in README, command


def test_every_close_code_stands_in_the_readme_with_whether_to_come_back() -> None:
    sentence = README[README.index("Close codes:") :].split("\n\n")[0]
    come_back, do_not = sentence.split("do not after")

    for close in closing.ALL:
        assert str(close.code) in (come_back if close.come_back else do_not), close


def test_every_refusal_is_a_sentence() -> None:
    for refusal in below(errors.HubError):
        said = refusal().message
        assert said[0].isupper(), said
        assert said.endswith((".", "`", "again")), said


def test_decisions_are_short() -> None:
    decisions = (ROOT / "DECISIONS.md").read_text().split("\n## ")[1:]

    assert decisions
    assert all(len(decision.splitlines()) <= 25 for decision in decisions)


def below(kind: type[errors.HubError]) -> list[type[errors.HubError]]:
    """A refusal and all that are kinds of it."""
    return [kind, *(one for child in kind.__subclasses__() for one in below(child))]


CODES = {kind.code for kind in below(errors.HubError)}


def section(title: str) -> str:
    """What the README says under a heading, to the next one."""
    return re.split(r"^#+ ", README[README.index(f"# {title}\n") + 2 :], flags=re.MULTILINE)[0]


def test_every_code_stands_in_the_readme_with_its_status_and_none_beside() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", section("Codes"), re.MULTILINE)
    told = {(code, int(status)) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}

    assert told == {(kind.code, status) for kind, status in problems.STATUSES.items()}
    assert {code for code, _ in told} == CODES


async def test_every_code_and_route_stands_in_the_reference_of_rest_and_none_beside(alone: Running) -> None:
    assert alone.hub is not None
    async with alone.http() as http:
        reference = (await http.get("/openapi.json")).json()
    paths = {route.path.rstrip("/") or "/" for route in alone.hub.app.routes if isinstance(route, Route)}

    assert set(reference["paths"]) == paths
    assert set(reference["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == CODES


def test_every_message_stands_in_the_reference_of_the_socket_and_none_beside() -> None:
    reference = json.loads(asyncapi.document())["components"]["messages"]
    kinds = [*get_args(messages.Incoming), *get_args(messages.Outgoing)]

    assert sorted(one["name"] for one in reference.values()) == sorted(kind.__struct_config__.tag for kind in kinds)


LINES = ("hub/audit.py", "hub/bookkeeping.py", "hub/sockets/trail.py", "hub/web/outside.py", "hub/standing.py")
"""What tells members with its lines."""
TELLING = {"tell", "tell_some"}


def members() -> set[str]:
    """The members of lines: keywords of what tells them, and the keys of dictionaries in the modules that do."""
    found = set()
    for path in LINES:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TELLING:
                found |= {keyword.arg for keyword in node.keywords if keyword.arg}
            if isinstance(node, ast.Dict):
                keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                found |= {key for key in keys if isinstance(key, str)}
    return found


def test_every_member_of_a_line_stands_in_the_readme() -> None:
    assert {"request", "group", "revision", "connection", "calls", "off"} <= members()
    told = set(re.findall(r"`(\w+)`", section("What the log says")))

    assert members() - told == set()


def test_every_finding_of_hub_check_stands_in_the_readme() -> None:
    told = section("Check it")

    assert {about for about in checks.ABOUT if f"| {about} |" not in told} == set()
    assert len(re.findall(r"^\| [^-]", told, re.MULTILINE)) == len(checks.ABOUT) + 1
