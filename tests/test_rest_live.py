"""What stands beside the sessions: the stream, the calendar, health, figures, other origins, and odd requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from icalendar import Calendar, Event

from tests.conforming import ANN, ask, ask_at, one_hub, timed
from tests.running import API, EXPERT, PATIENCE, Running, draft, now

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGIN = "https://learn.example"
hub = one_hub(allowed_origins=frozenset({ORIGIN}))


async def states(response: httpx2.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The `id` and the parsed `data` of each event of type `session`."""
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and "data" in event:
            assert event["event"] == "session"
            yield event["id"], json.loads(event["data"])
            event = {}
        elif line and name:
            event[name] = value


async def test_the_stream_tells_the_state_and_each_newer_one(hub: Running) -> None:
    session = await hub.create(maxParticipants=3)
    async with hub.http() as http, http.stream("GET", f"{API}/{session['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        async with asyncio.timeout(PATIENCE):
            stream = states(response)
            name, state = await anext(stream)
            assert name == "1"
            assert state == {
                "type": "session", "session": session["id"], "revision": 1, "status": "scheduled", "live": 0,
                "peakLive": 0, "participants": 0, "maxParticipants": 3, "startsAt": session["startsAt"],
                "startedAt": None, "endedAt": None,
            }  # fmt: skip
            await hub.book(session["id"], "ann")
            name, state = await anext(stream)
            assert (name, state["participants"]) == ("2", 1)
            await hub.start(session["id"])
            name, state = await anext(stream)
            assert (name, state["status"]) == ("3", "active")


@pytest.mark.parametrize("last", ["1", "0", "nonsense", "-5", "9" * 40, ""])
async def test_a_follower_who_comes_back_gets_what_is_newer_than_what_it_has(hub: Running, last: str) -> None:
    session_id = (await hub.create())["id"]
    await hub.book(session_id, "ann")
    headers = {"Last-Event-ID": last}
    async with hub.http() as http, http.stream("GET", f"{API}/{session_id}/events", headers=headers) as response:
        async with asyncio.timeout(PATIENCE):
            name, _ = await anext(states(response))
        assert name == "2"


async def test_a_follower_who_has_the_newest_state_gets_only_the_next(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    headers = {"Last-Event-ID": "1"}
    async with hub.http() as http, http.stream("GET", f"{API}/{session_id}/events", headers=headers) as response:
        async with asyncio.timeout(PATIENCE):
            lines = response.aiter_lines()
            assert await anext(lines) == "retry: 3000"
            await hub.book(session_id, "ann")
            assert [await anext(lines) for _ in range(3)][1:] == ["event: session", "id: 2"]


async def test_a_stream_ends_in_order_when_the_hub_stops(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, _), hub.http() as http:
        session_id = (await hub.create())["id"]
        async with http.stream("GET", f"{API}/{session_id}/events") as response, asyncio.timeout(3):
            stream = states(response)
            await anext(stream)
            assert hub.hub is not None
            hub.hub.failed()
            assert [state async for state in stream] == []


@pytest.mark.parametrize("timezone", ["UTC", "Africa/Nairobi", "Europe/Rome", "America/New_York"])
async def test_the_calendar_entry_is_one_event_at_the_session_s_time(hub: Running, timezone: str) -> None:
    starts = datetime(now().year + 1, 7, 1, 12, 14, tzinfo=UTC)
    words = {"title": "Soil, seeds; and \\ more", "description": "First line\nBEGIN:VALARM, second; line"}
    body = draft(startsAt=starts.isoformat(), timezone=timezone, meetingUrl="https://meet.example/9", **words)
    session = (await ask(hub, "POST", json=body)).json()["data"]
    response = await ask(hub, "GET", f"/{session['id']}/calendar.ics", {})
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    calendar = Calendar.from_ical(response.content)
    (event,) = calendar.walk("VEVENT")
    assert isinstance(event, Event)
    assert (calendar["version"], calendar["method"]) == ("2.0", "PUBLISH")
    assert event.start == starts
    assert event.end == starts + timedelta(hours=1)
    assert (event["summary"], event["description"]) == (words["title"], words["description"])
    assert (event["status"], event["sequence"]) == ("CONFIRMED", 0)
    assert "meet.example" not in response.text
    zones = {str(zone["tzid"]) for zone in calendar.walk("VTIMEZONE")}
    assert zones == (set() if timezone == "UTC" else {timezone})


async def test_an_edit_and_a_cancellation_replace_the_calendar_entry(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    (first,) = Calendar.from_ical((await ask(hub, "GET", f"{path}/calendar.ics", {})).content).walk("VEVENT")
    await ask(hub, "PATCH", path, json={"title": "Moved"})
    await ask(hub, "DELETE", path)
    calendar = Calendar.from_ical((await ask(hub, "GET", f"{path}/calendar.ics", {})).content)
    (last,) = calendar.walk("VEVENT")
    assert first["uid"] == last["uid"]
    assert (last["sequence"], last["status"], calendar["method"]) == (2, "CANCELLED", "CANCEL")


async def test_a_calendar_that_has_the_entry_already_is_told_just_that_until_it_changes(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    first = await ask(hub, "GET", f"{path}/calendar.ics", {})
    assert first.headers["cache-control"] == "no-cache"
    asked = {"If-None-Match": first.headers["etag"]}
    again = await hub.call("GET", f"{path}/calendar.ics", asked)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    await hub.book(int(path[1:]), "ann")  # no part of the entry
    assert (await hub.call("GET", f"{path}/calendar.ics", asked)).status_code == 304
    before = now().replace(microsecond=0)
    await ask(hub, "PATCH", path, json={"title": "Moved"})
    changed = await ask(hub, "GET", f"{path}/calendar.ics", asked)
    assert (changed.status_code, b"SUMMARY:Moved" in changed.content) == (200, True)
    (event,) = Calendar.from_ical(changed.content).walk("VEVENT")
    assert isinstance(event, Event)
    assert event.last_modified is not None
    assert before <= event.last_modified <= now()


async def test_the_process_lives_and_is_ready_and_says_how_it_is(hub: Running) -> None:
    assert (await ask_at(hub, "GET", "/healthz")).json() == {"status": "ok"}
    assert (await ask_at(hub, "GET", "/readyz")).json() == {"status": "ready"}
    figures = await ask_at(hub, "GET", "/metrics")
    assert 'hub_connections{kind="socket"} 0.0' in figures.text
    assert 'hub_http_requests_total{method="POST",route="/api/live-sessions",status="201"}' in figures.text


async def test_a_process_that_drains_or_has_lost_a_task_lives_but_is_not_ready(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, _):
        body = (await ask_at(hub, "GET", "/readyz")).json()
        assert (body["status"], body["code"]) == (503, "unavailable")
        assert "'reaper' died" in body["detail"]
        assert hub.hub is not None
        hub.hub.lobby.draining = True
        response = await ask_at(hub, "GET", "/readyz")
        assert (response.status_code, response.json()["detail"]) == (503, "Not ready: draining.")
        assert int(response.headers["retry-after"]) > 0
        assert (await ask_at(hub, "GET", "/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/favicon.ico", "/openapi.json", "/asyncapi.json"])
async def test_pages_and_references_are_served(hub: Running, path: str) -> None:
    response = await ask_at(hub, "GET", path)
    assert response.status_code == 200
    if path in ("/", "/docs"):
        assert "default-src 'none'" in response.headers["content-security-policy"]


async def test_pages_of_an_allowed_origin_may_call(hub: Running) -> None:
    asked = {
        "Origin": ORIGIN, "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,if-match",
    }  # fmt: skip
    async with hub.http() as http:
        preflight = await http.options(f"{API}/1", headers=asked)
        actual = await http.get(f"{API}/1", headers={"Origin": ORIGIN})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(preflight.headers["access-control-allow-methods"].split(", "))
    assert actual.headers["access-control-allow-origin"] == ORIGIN
    assert {"etag", "location", "retry-after"} <= set(actual.headers["access-control-expose-headers"].split(", "))
    assert "Origin" in actual.headers["vary"]
    assert "access-control-allow-credentials" not in actual.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{ORIGIN}.evil.example", "http://learn.example"])
async def test_pages_of_another_origin_may_not(hub: Running, origin: str) -> None:
    async with hub.http() as http:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = await http.options(API, headers=asked)
        actual = await http.get(API, headers={"Origin": origin})
    assert preflight.status_code == 403
    assert preflight.headers["content-type"] == "application/problem+json"
    assert preflight.json()["code"] == "forbidden"
    for response in (preflight, actual):
        assert "access-control-allow-origin" not in response.headers


async def test_with_no_origins_allowed_there_is_no_cors_at_all(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, _), hub.http() as http:
        response = await http.get(API, headers={"Origin": ORIGIN})
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/nothing", "/api", f"{API}/expert/nothing", f"{API}/1/nothing", "/ws", "/static/no.js"]
)
async def test_what_is_nowhere_is_not_found(hub: Running, path: str) -> None:
    response = await ask_at(hub, "GET", path, EXPERT)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/docs/", "/healthz/", "/openapi.json/", "/static", "/static/", f"{API}/1/", "/ws/"])
async def test_a_slash_too_many_or_too_few_is_not_found_and_leads_nowhere(hub: Running, path: str) -> None:
    async with hub.http(Host="evil.example") as http:
        response = await http.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "location" not in response.headers
    assert "evil.example" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", API, {"GET", "HEAD", "POST"}),
        ("PUT", f"{API}/1", {"DELETE", "GET", "HEAD", "PATCH"}),
        ("GET", f"{API}/1/start", {"PATCH"}),
        ("GET", f"{API}/1/book", {"DELETE", "POST"}),
        ("GET", "/api/payments/webhook", {"POST"}),
        ("OPTIONS", API, {"GET", "HEAD", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/openapi.json", {"GET", "HEAD"}),
        ("POST", "/static/index.html", {"GET", "HEAD"}),
    ],
)
async def test_a_method_that_is_not_there_is_refused_naming_those_that_are(
    hub: Running, method: str, path: str, allowed: set[str]
) -> None:
    response = await ask_at(hub, method, path)
    assert response.status_code == 405
    assert response.headers.get_list("allow") == [", ".join(sorted(allowed))]
    if method != "HEAD":
        assert response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_more_than_64_kib_is_too_large(hub: Running, chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * 1024

    headers = EXPERT | {"content-type": "application/json"}
    content: Any = chunks() if chunked else b" " * (64 * 1024 + 1)
    response = await ask(hub, "POST", "", headers, content=content)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


async def test_head_tells_what_get_would_without_the_body(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    for where in ("", path, f"{path}/calendar.ics"):
        got, head = await ask(hub, "GET", where, ANN), await ask(hub, "HEAD", where, ANN)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == got.headers.get(name)
    assert (await ask(hub, "HEAD", "/999999", ANN)).status_code == 404


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
async def test_a_body_that_does_not_say_it_is_json_is_refused(hub: Running, content_type: str) -> None:
    headers = EXPERT | ({"content-type": content_type} if content_type else {})
    response = await ask(hub, "POST", "", headers, content=json.dumps(draft()).encode())
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    async with timed(tmp_path, rate_limit=3) as (hub, _):
        answers = [await ask(hub, "GET", "", ANN) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert (await ask(hub, "GET", "", EXPERT)).status_code == 200
        assert [(await ask(hub, "GET", "", {})).status_code for _ in range(4)] == [200, 200, 200, 429]
