"""The documents say what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from hub import errors
from hub.cli import main
from hub.metrics.table import FIGURES, PROCESS, row
from hub.settings import Settings
from hub.sockets import closing

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
    def below(kind: type[errors.HubError]) -> list[type[errors.HubError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in below(child))]

    for refusal in below(errors.HubError):
        said = refusal().message
        assert said[0].isupper(), said
        assert said.endswith((".", "`", "again")), said


def test_decisions_are_short() -> None:
    decisions = (ROOT / "DECISIONS.md").read_text().split("\n## ")[1:]

    assert decisions
    assert all(len(decision.splitlines()) <= 25 for decision in decisions)
