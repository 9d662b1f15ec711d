"""Requests made from the hub's own reference, right and wrong, alone and in rows: every answer is as it tells."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.nodes import LONG
from tests.running import WEBHOOK_SECRET, Running, free_port, kill, spawn, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = Path(__file__).parent
SEED = 5
WITHIN = 2400.0 if LONG else 180.0
"""Seconds for one run."""

EXPERT, STUDENT = token("e-7", "expert", "Dr. Jane Smith", ttl=7200), token("ann", "student", "Ann", ttl=7200)
WHO: Mapping[str, tuple[str | None, str | None]] = {
    "both": (EXPERT, STUDENT),
    "both in rows": (EXPERT, STUDENT),
    "expert": (EXPERT, None),
    "student": (STUDENT, None),
    "nobody": (None, None),
}
"""Whose token goes with a request, and whose with what is for students."""
ALL = {"coverage", "fuzzing", "stateful"}
PHASES = {"both": ALL, "both in rows": {"stateful"}}
"""What runs; of the others it is requests drawn alone, and with time to spare all."""

CHECKS = {
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "missing_required_header",
    "unsupported_method", "allow_header_conformance", "use_after_free", "ensure_resource_availability", "ignored_auth",
    "object_level_authorization",
}  # fmt: skip

DONE = {
    ("POST", "/api/live-sessions", 201), ("GET", "/api/live-sessions/{id}", 200),
    ("PATCH", "/api/live-sessions/{id}", 200), ("PATCH", "/api/live-sessions/{id}/start", 200),
    ("PATCH", "/api/live-sessions/{id}/end", 200), ("DELETE", "/api/live-sessions/{id}", 200),
    ("POST", "/api/live-sessions/{id}/book", 201), ("DELETE", "/api/live-sessions/{id}/book", 200),
    ("GET", "/api/live-sessions/{id}/bookings", 200), ("GET", "/api/live-sessions/{id}/attendance", 200),
    ("GET", "/api/live-sessions/{id}/events", 200), ("POST", "/api/payments/webhook", 200),
}  # fmt: skip
"""What a run with both tokens must have got to: one that is refused everywhere shows nothing."""


@dataclass
class Found:
    """What one run of schemathesis came to."""

    code: int
    said: str
    cases: int = 0
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    phases: set[str] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)

    def read(self, events: Path) -> None:
        """Take in its log: an event a line."""
        for line in events.read_text().splitlines():
            for kind, event in json.loads(line).items():
                if kind == "ScenarioFinished":
                    self._scenario(event)

    def _scenario(self, event: dict[str, Any]) -> None:
        recorder = event["recorder"]
        for name, interaction in recorder.get("interactions", {}).items():
            case, answer = recorder["cases"][name]["value"], interaction["response"]
            self.cases += 1
            self.phases.add(event["phase"])
            self.answers[case["method"], case["path"], answer["status_code"] if answer else 0] += 1
        met = recorder.get("cases", {}).values()
        self.links |= {case["transition"]["id"] for case in met if case.get("is_transition_applied")}
        self.checks |= {check["name"] for checks in recorder.get("checks", {}).values() for check in checks}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub as a process of its own."""
    secret = {"HUB_PAYMENT_WEBHOOK_SECRET": WEBHOOK_SECRET, "HUB_MAX_CONNECTIONS_PER_ADDRESS": "off"}
    spawned = await spawn(tmp_path_factory.mktemp("hub"), free_port(), **secret)
    yield spawned
    await kill(spawned)


async def schemathesis(folder: Path, place: str, first: str | None, second: str | None, *more: str) -> Found:
    """One run against the reference at `place`."""
    events = folder / "events.ndjson"
    options = ["--report", "ndjson", "--report-ndjson-path", str(events), "--no-color", "--continue-on-failure"]
    if first is not None:
        options += ["-H", f"Authorization: Bearer {first}"]
    environment = {
        **os.environ,
        "HUB_PAYMENT_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SCHEMATHESIS_HOOKS": "tests.security.schemathesis_hooks",
        "PYTHONPATH": str(HERE.parents[1]),
        "STUDENT_TOKEN": second or "",
        "NO_PROXY": "*",
    }
    command = ["-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run", place, *options]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--seed", str(SEED), *more,
        cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN):
            said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    found = Found(process.returncode or 0, said.decode())
    found.read(events)
    return found


@pytest.mark.parametrize("who", WHO)
async def test_every_answer_is_as_the_reference_tells_A10_A11(hub: Running, tmp_path: Path, who: str) -> None:
    phases = PHASES.get(who, ALL if LONG else {"fuzzing"})
    many = 300 if LONG else {"both": 8, "both in rows": 20}.get(who, 3)
    options = ["--max-examples", str(many), "--phases", ",".join(sorted(phases))]
    found = await schemathesis(tmp_path, f"{hub.url}/openapi.json", *WHO[who], *options)
    assert found.code == 0, found.said
    assert [answer for answer in found.answers if answer[2] == 0 or answer[2] >= 500] == []
    assert found.phases == phases
    assert found.checks == CHECKS
    assert found.cases >= (1_000 if LONG else 500 if who == "both" else 50)
    if who == "both":
        assert set() == DONE - set(found.answers)
    if who == "both in rows" and LONG:
        assert len(found.links) == 3 * 14, "every link of the reference was followed"
    assert hub.process is not None
    assert hub.process.returncode is None


async def test_an_answer_that_is_not_as_told_would_be_seen(hub: Running, tmp_path: Path) -> None:
    async with hub.http() as http:
        document = (await http.get("/openapi.json")).json()
    health = document["components"]["schemas"]["StatusView"]
    health["properties"]["status"]["enum"] = ["unwell"]
    del document["paths"]["/readyz"]["get"]["responses"]["200"]
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document))
    alone = ["--include-path-regex", "^/(healthz|readyz)$", "--url", hub.url, "--phases", "fuzzing", "-n", "1"]
    found = await schemathesis(tmp_path, str(wrong), None, None, *alone)
    assert found.code == 1, found.said
    assert "Response violates schema" in found.said
    assert "Undocumented" in found.said
