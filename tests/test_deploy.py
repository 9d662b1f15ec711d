"""What runs the hub elsewhere: the Procfile, the systemd unit and the Dockerfile are read, held to rules, and run.

No container is built here, and no systemd runs: their commands are, with their settings, by whoever runs the tests.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hub.settings import Settings, from_environment
from hub.workers import MARGIN_SECONDS
from tests.processes import PATIENCE
from tests.running import free_port, kill, spawn, variables_for

ROOT = Path(__file__).parents[1]
FILES = {name: (ROOT / name).read_text() for name in ("Procfile", "deploy/hub.service", "deploy/Dockerfile")}
HUB = Path(sysconfig.get_path("scripts")) / "hub"
DOCKER_STOP_SECONDS = 10.0
"""How long `docker stop` waits, unless told otherwise."""


def unit(text: str) -> dict[str, list[str]]:
    """The directives of a unit, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def instructions(text: str) -> list[tuple[str, str]]:
    """Those of a Dockerfile, each with what follows, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip() and line[0] != "#")
    ]


def stays_in(text: str) -> dict[str, str]:
    """What a Dockerfile puts into the environment."""
    return {
        name: value
        for kind, rest in instructions(text)
        if kind == "ENV"
        for name, _, value in (pair.partition("=") for pair in shlex.split(rest))
    }


def wrong_unit(text: str) -> list[str]:
    """What is wrong with a unit."""
    said, wrong = unit(text), []
    if float(said["TimeoutStopSec"][0]) <= Settings().stop_seconds + MARGIN_SECONDS:
        wrong.append("it kills a hub that is still within its own limit")
    if said["KillMode"] != ["mixed"] or said["KillSignal"] != ["SIGTERM"]:
        wrong.append("the stop is not the first process's alone")
    if said.get("DynamicUser") != ["yes"] and said.get("User", ["root"]) == ["root"]:
        wrong.append("it runs as root")
    if said["Restart"] == ["no"] or "2" not in said.get("RestartPreventExitStatus", []):
        wrong.append("it is not started again, or for ever with a wrong setting")
    return wrong


def wrong_dockerfile(text: str) -> list[str]:
    """What is wrong with a Dockerfile."""
    found, wrong = instructions(text), []
    kinds = dict(found)
    image, _, tag = kinds["FROM"].partition(":")
    if not tag or tag == "latest":
        wrong.append(f"{image} is whatever is the latest")
    if kinds.get("USER", "root").partition(":")[0] in ("root", "0"):
        wrong.append("it runs as root")
    if not kinds["CMD"].startswith("["):
        wrong.append("a shell is the first process, and passes no signal on")
    if "HEALTHCHECK" not in kinds or kinds.get("STOPSIGNAL") != "SIGTERM":
        wrong.append("nobody looks after it, or it is not told to stop")
    if any(kind == "ADD" or "apt-get" in rest or "gcc" in rest for kind, rest in found):
        wrong.append("it takes more than it needs")
    stop = from_environment(stays_in(text)).stop_seconds
    if stop + MARGIN_SECONDS >= DOCKER_STOP_SECONDS:
        wrong.append("docker kills a hub that is still within its own limit")
    return wrong


def test_the_unit_and_the_dockerfile_keep_the_rules() -> None:
    assert wrong_unit(FILES["deploy/hub.service"]) == []
    assert wrong_dockerfile(FILES["deploy/Dockerfile"]) == []


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("deploy/hub.service", "TimeoutStopSec=40", "TimeoutStopSec=27"),
        ("deploy/hub.service", "KillMode=mixed", "KillMode=control-group"),
        ("deploy/hub.service", "DynamicUser=yes", "User=root"),
        ("deploy/hub.service", "RestartPreventExitStatus=2", "RestartPreventExitStatus=1"),
        ("deploy/Dockerfile", "python:3.11-slim", "python"),
        ("deploy/Dockerfile", "USER 10001:10001\n", ""),
        ("deploy/Dockerfile", 'CMD ["hub", "serve"]', "CMD hub serve"),
        ("deploy/Dockerfile", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL"),
        ("deploy/Dockerfile", "HUB_STOP_SECONDS=7", "HUB_STOP_SECONDS=8"),
        ("deploy/Dockerfile", "COPY hub /src/hub", "RUN apt-get install -y gcc"),
    ],
)
def test_a_rule_that_is_broken_is_told(name: str, before: str, after: str) -> None:
    assert before in FILES[name]
    broken = FILES[name].replace(before, after)
    assert len(wrong_unit(broken) if name.endswith("service") else wrong_dockerfile(broken)) == 1


def test_every_variable_that_they_name_is_a_setting_and_nothing_else_is_copied_than_what_is_there() -> None:
    known = {f"HUB_{field.name.upper()}" for field in fields(Settings)}
    named = {name for text in FILES.values() for name in re.findall(r"HUB_[A-Z_]+", text)}
    assert {"HUB_STOP_SECONDS", "HUB_WORKERS"} <= named <= known
    copied = [rest.split()[:-1] for kind, rest in instructions(FILES["deploy/Dockerfile"]) if kind == "COPY"]
    assert all((ROOT / path).exists() for paths in copied for path in paths)


def by_word(command: str) -> list[str]:
    """The words of a command that begins with `hub`, wherever that is installed, for this Python."""
    program, *words = shlex.split(command)
    assert Path(program).name == "hub"
    return [str(HUB), *words]


def to_its_end(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """How it ended, and what it said."""
    return subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=False)


async def test_the_procfile_s_release_and_web_run_and_web_listens_at_port_and_stops(tmp_path: Path) -> None:
    lines: dict[str, Any] = dict(re.findall(r"^(\w+): (.*)$", FILES["Procfile"], re.MULTILINE))
    assert set(lines) == {"release", "web"}
    port = free_port()
    variables = {name: value for name, value in variables_for(tmp_path / "hub.db", port).items() if name != "HUB_PORT"}
    released = await asyncio.to_thread(to_its_end, by_word(lines["release"]), variables)
    assert (released.returncode, b"is up to date" in released.stdout) == (0, True)
    web = await spawn(tmp_path, port, command=by_word(lines["web"]), HUB_PORT="", PORT=str(port))
    assert await kill(web, signal.SIGTERM) == -signal.SIGTERM


async def test_the_unit_s_command_serves_and_its_reload_is_a_stop_that_is_followed_by_a_start(tmp_path: Path) -> None:
    said = unit(FILES["deploy/hub.service"])
    assert said["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert said["Restart"] == ["always"]
    hub = await spawn(tmp_path, free_port(), command=by_word(said["ExecStart"][0]))
    assert await kill(hub, signal.SIGHUP) == 0


async def test_the_image_s_command_serves_with_its_settings_and_its_health_check_tells_whether_it_lives(
    tmp_path: Path,
) -> None:
    kinds = dict(instructions(FILES["deploy/Dockerfile"]))
    check = json.loads(kinds["HEALTHCHECK"].partition("CMD ")[2])
    environment = stays_in(FILES["deploy/Dockerfile"]) | {"HUB_PORT": str(free_port())}
    program = [sys.executable, *check[1:]]

    async def healthy() -> int:
        return (await asyncio.to_thread(to_its_end, program, environment)).returncode

    port = int(environment["HUB_PORT"])
    hub = await spawn(tmp_path, port, command=by_word(shlex.join(json.loads(kinds["CMD"]))), **environment)
    try:
        alive = await healthy()
    finally:
        code = await kill(hub, signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert (alive, await healthy()) == (0, 1)
