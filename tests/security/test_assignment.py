"""Mass assignment (A2): no member that is not the caller's to set gets in, by any door, under any spelling."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.sockets import messages
from hub.sockets.messages import TYPES
from hub.store.tables import live_sessions, session_bookings, session_participants
from hub.web import forms
from tests.conforming import PRICE, one_hub
from tests.running import API, EXPERT, Client, Running, bearer, draft, token
from tests.security.matrix_table import CREATE, message_members
from tests.tables import ask, dump
from tests.test_rest_payments import WEBHOOK, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

ANN = bearer("ann")
NOT_STORED = (
    "owner ownerId role userId user sub name seats canEdit canStart canEnd canJoin isExpert isBooked isFree booking "
    "bookings meeting endsAt date time duration participants participantCount participant_count success data __proto__ "
    "constructor prototype toString $set _id"
).split()
NEAR = (
    "Title", "TITLE", "title ", " title", "titl\u0435", "ti\u200btle", "\uff54itle", "title\u0000", "t\u0131tle",
    "startsat", "StartsAt", "starts-at", "starts_at", "meetingURL", "meeting_url", "roster_visibility", "price.amount",
    "price[amount]", "/title", "",
)  # fmt: skip
"""Of other case, look-alikes of other alphabets, and other ways to write a path."""


def camel(name: str) -> str:
    """`starts_at` as `startsAt`."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def columns() -> Iterator[str]:
    """Every column of a session, a booking and a visit, in both spellings."""
    for table in (live_sessions, session_bookings, session_participants):
        for column in table.columns:
            yield from (column.name, camel(column.name))


NAMES = sorted({*columns(), *NOT_STORED, *NEAR})
VALUES: dict[str, Any] = {"status": "active", "expertId": "e-8", "role": "expert", "createdAt": "2020-01-01T00:00:00Z"}


def value(name: str) -> Any:
    """Something that the column would take."""
    return VALUES.get(camel(name), 7)


@asynccontextmanager
async def unchanged(hub: Running) -> AsyncIterator[None]:
    """Nothing is stored meanwhile."""
    before = dump(hub.where)
    yield
    assert dump(hub.where) == before


def pointers(answer: httpx2.Response) -> set[str]:
    """Which members an answer refuses; none if it does not."""
    if answer.status_code < 400:
        return set()
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    return {fault["pointer"] for fault in answer.json()["errors"]}


def pointer(*names: str) -> str:
    """RFC 6901 §3."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


async def taken_in_bodies(hub: Running) -> list[str]:
    """Names beside those of the contract that a body may hold, to create or to edit a session."""
    session = (await hub.create())["id"]
    found = []
    async with hub.http(**EXPERT) as http:
        for name in NAMES:
            if name not in CREATE:
                made = await http.post(API, json=draft() | {name: value(name)})
                edited = await http.patch(f"{API}/{session}", json={"title": "Another", name: value(name)})
                found += [name for answer in (made, edited) if pointers(answer) != {pointer(name)}]
    return found


async def test_A2_no_column_and_no_other_name_gets_into_a_session_by_its_body(hub: Running) -> None:
    before = dump(hub.where)
    assert await taken_in_bodies(hub) == []
    after = dump(hub.where)
    (created,) = set(after["live_sessions"]) - set(before["live_sessions"])
    assert after == before | {"live_sessions": [*before["live_sessions"], created], "users": after["users"]}


async def test_A2_what_a_body_may_hold_is_what_the_contract_says(hub: Running) -> None:
    """The control: each of these is taken, so that the names above are not refused for being alone."""
    body = draft(
        description="d", timezone="UTC", maxParticipants=5, courseId="c", price=PRICE,
        meetingUrl="https://meet.example/1", meetingPassword="p", rosterVisibility="host",
    )  # fmt: skip
    assert set(body) == set(CREATE)
    made = await hub.create(**body)
    for name in CREATE:
        answer = await hub.call("PATCH", f"/{made['id']}", json={name: body[name]})
        assert answer.status_code == 200, name


async def test_A2_a_price_holds_an_amount_and_a_currency_alone(hub: Running) -> None:
    async with hub.http(**EXPERT) as http, unchanged(hub):
        for name in NAMES:
            if name not in ("amount", "currency"):
                answer = await http.post(API, json=draft(price=PRICE | {name: value(name)}))
                assert pointers(answer) == {pointer("price", name)}


@pytest.mark.parametrize(
    "twice",
    ['"title": "A", "title": "B"', '"title": "A", "\\u0074itle": "B"', '"status": "a", "status": "b"'],
)
async def test_A2_a_member_named_twice_is_refused_however_it_is_written(hub: Running, twice: str) -> None:
    session = (await hub.create())["id"]
    rest = json.dumps(draft()).removeprefix("{").replace('"title"', '"description"')
    headers = EXPERT | {"content-type": "application/json"}
    async with hub.http(**headers) as http, unchanged(hub):
        assert pointers(await http.post(API, content="{" + twice + ", " + rest)) == {""}
        assert pointers(await http.patch(f"{API}/{session}", content="{" + twice + "}")) == {""}


SAID: dict[str, dict[str, Any]] = {
    "auth": {"token": token("ann")}, "ping": {}, "watch": {"sessions": []}, "unwatch": {"sessions": []},
    "join": {"session": 1}, "leave": {"session": 1}, "roster": {"session": 1},
}  # fmt: skip


async def taken_in_messages(hub: Running) -> list[tuple[str, str]]:
    """Members beside those of the contract that a message may hold."""
    found = []
    async with Client.at(hub, "ann") as client:
        for kind, members in SAID.items():
            for name in NAMES:
                if name not in message_members()[kind] | {"id"}:
                    answer = await client.ask(type=kind, **(members | {name: value(name)}))
                    if answer.get("code") != "invalid_input":
                        found.append((kind, name))
        await client.send({"type": "ping", "id": "still there"})
        await client.expect("pong", id="still there")
    return found


async def test_A2_no_message_takes_a_member_that_is_not_its_own(hub: Running) -> None:
    assert set(SAID) == set(TYPES)
    async with unchanged(hub):
        assert await taken_in_messages(hub) == []


async def test_a_form_and_a_message_that_take_anything_are_seen(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    read, decode = forms.read, messages._decode

    def tolerant(form: type[forms.Form], body: dict[str, Any]) -> forms.Form:
        return read(form, {name: body[name] for name in body if name in CREATE})

    def careless(text: str) -> messages.Incoming:
        said = json.loads(text)
        known = message_members()[said["type"]] | {"type", "id"}
        message: messages.Incoming = decode(json.dumps({name: said[name] for name in said if name in known}))
        return message

    monkeypatch.setattr(forms, "read", tolerant)
    monkeypatch.setattr(messages, "_decode", careless)
    assert {"status", "expert_id", "expertId", "createdAt", "__proto__"} <= set(await taken_in_bodies(hub))
    assert {("join", "user_id"), ("auth", "role"), ("leave", "connectionId")} <= set(await taken_in_messages(hub))


async def test_A2_a_message_with_a_member_named_twice_is_refused(hub: Running) -> None:
    async with Client.at(hub, "ann") as client:
        for text in ('{"type":"leave","session":1,"session":2}', '{"type":"ping","type":"join","session":1}'):
            await client.socket.send(text)
            assert (await client.expect("error"))["code"] == "invalid_input"


async def test_A2_names_in_the_query_set_nothing(hub: Running) -> None:
    """Queries are lenient: a name that is no filter is not looked at, on no method."""
    query = {name: str(value(name)) for name in NAMES if name}
    made = await hub.call("POST", "", json=draft(), params=query)
    session = made.json()["data"]
    assert (session["status"], session["expertId"], session["version"], session["revision"]) == (
        "scheduled",
        "e-7",
        1,
        1,
    )
    edited = await hub.call("PATCH", f"/{session['id']}", json={"title": "Another"}, params=query)
    assert edited.json()["data"] == session | {"title": "Another", "version": 2, "revision": 2}
    booked = await hub.call("POST", f"/{session['id']}/book", ANN, params=query)
    assert (booked.json()["data"]["status"], booked.json()["data"]["sessionId"]) == ("confirmed", session["id"])
    assert ask(hub.where, "SELECT user_id FROM session_bookings WHERE session_id = ?", session["id"]) == ["ann"]
    for name in query.keys() - {"status"}:
        shown = await hub.call("GET", f"/{session['id']}/bookings", params={name: query[name]})
        assert [one["student"]["id"] for one in shown.json()["data"]] == ["ann"]


@pytest.mark.parametrize("word", ["book", "join"])
async def test_A2_a_body_sets_nothing_of_a_booking_and_nothing_of_a_step(hub: Running, word: str) -> None:
    body = {name: value(name) for name in NAMES} | {"status": "confirmed", "price": None, "userId": "ben"}
    session = (await hub.create(price=PRICE, maxParticipants=2))["id"]
    booked = (await hub.call("POST", f"/{session}/{word}", ANN, json=body)).json()["data"]
    assert (booked["status"], booked["price"], booked["sessionId"]) == ("pending", PRICE, session)
    assert booked["id"] != 7
    started = (await hub.call("PATCH", f"/{session}/start", json=body | {"startedAt": "2020-01-01T00:00:00Z"})).json()
    assert started["data"]["startedAt"] > "2025"
    ended = (await hub.call("PATCH", f"/{session}/end", json=body | {"endedAt": "2099-01-01T00:00:00Z"})).json()
    assert (ended["data"]["status"], ended["data"]["expertId"]) == ("ended", "e-7")
    assert ended["data"]["endedAt"] < "2099"
    rows = ask(hub.where, "SELECT user_id, status FROM session_bookings WHERE session_id = ?", session)
    assert rows == [("ann", "pending")]


async def test_A2_a_payment_confirms_its_booking_and_sets_nothing_else(hub: Running) -> None:
    session = (await hub.create(price=PRICE))["id"]
    booking = (await hub.call("POST", f"/{session}/book", ANN)).json()["data"]
    about = {name: value(name) for name in NAMES} | {"bookingId": booking["id"], "reference": "r-1", **PRICE}
    body = json.dumps({**about, "type": "payment.succeeded", "data": about}).encode()
    async with hub.http(**signed(body, "a2-1")) as http:
        assert (await http.post(WEBHOOK, content=body)).json() == {"outcome": "confirmed"}
    (paid,) = (await hub.call("GET", f"/{session}/bookings")).json()["data"]
    assert paid.pop("student") == {"id": "ann", "name": "Ann"}
    assert paid == booking | {"status": "confirmed", "confirmedAt": paid["confirmedAt"], "expiresAt": None}


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
names = st.sampled_from(NAMES) | st.text(max_size=30)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extra=st.dictionaries(names, JSON, min_size=1, max_size=4), method=st.sampled_from(["POST", "PATCH"]))
async def test_A2_no_name_whatever_beside_the_known_ones_is_taken(
    hub: Running, extra: dict[str, Any], method: str
) -> None:
    unknown = {name: given_value for name, given_value in extra.items() if name not in CREATE}
    count = ask(hub.where, "SELECT count(*), coalesce(sum(revision), 0) FROM live_sessions")
    answer = await hub.call(method, "" if method == "POST" else "/1", json=draft() | unknown)
    if unknown:
        assert set(map(pointer, unknown)) <= pointers(answer)
        assert ask(hub.where, "SELECT count(*), coalesce(sum(revision), 0) FROM live_sessions") == count


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_A2_no_body_whatever_changes_what_a_booking_is(hub: Running, body: bytes) -> None:
    session = (await hub.create(price=PRICE))["id"]
    answer = await hub.call("POST", f"/{session}/book", ANN, content=body)
    assert answer.status_code == 201
    booking = answer.json()["data"]
    assert (booking["status"], booking["price"], booking["confirmedAt"]) == ("pending", PRICE, None)
