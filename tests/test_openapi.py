"""The reference of REST is valid and whole: what is served is described, and what is described is served."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Mount, Route

from hub import errors, news, views
from hub.app import build
from hub.settings import Settings
from hub.text import is_blank, is_control
from hub.web import forms
from hub.web.http import Endpoint
from tests.conforming import ANN, PRICE, Reference, ask, ask_at, one_hub, reference
from tests.running import API, EXPERT, SECRET, SECRET_KEY, Running, draft
from tests.test_rest_payments import said, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

ON_THE_SOCKET_ALONE = {"not_active", "payment_required"}
OF_NO_OPERATION = {"method_not_allowed"}
"""A 405 answers a method that no operation has."""

SHOWN_BY_SOCKETS = {news.SessionMessage, news.RosterMessage, news.PresenceMessage, news.CatalogMessage}
PARTS_OF_THESE = {views.View, views.GoneView, views.SessionListing}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def document(hub: Running) -> dict[str, Any]:
    """The reference as it is served."""
    return (await reference(hub)).document


K = TypeVar("K")


def kinds(root: type[K]) -> Iterator[type[K]]:
    """Every class below `root`."""
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each path, method and described operation."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield path, method.upper(), described


def served() -> set[tuple[str, str]]:
    """Every path and method the application routes; HEAD follows GET, and a path with a slash is its twin."""
    app = build(Settings(jwt_secret=SECRET, secret_key=SECRET_KEY)).app
    found = set()
    for route in app.routes:
        if isinstance(route, Route) and not route.path.removeprefix("/").endswith("/"):
            endpoint = route.endpoint
            methods = set(endpoint._operations) if isinstance(endpoint, Endpoint) else route.methods or set()
            found |= {(route.path, method) for method in methods - {"HEAD"}}
        elif isinstance(route, Mount):
            assert route.path == "/static"
    return found


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    broken = copy.deepcopy(document)
    del broken["paths"][API]["get"]["responses"]
    del broken["info"]["title"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors()) != []


async def test_every_route_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    assert {(path, method) for path, method, _ in operations(document)} == served()


async def test_every_operation_has_a_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    names = [described["operationId"] for _, _, described in operations(document)]
    assert len(set(names)) == len(names)
    assert all(described["summary"] for _, _, described in operations(document))


async def test_every_refusal_is_described(document: dict[str, Any]) -> None:
    tree = {kind.code for kind in kinds(errors.HubError)}
    assert set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == tree
    told = {
        code
        for _, _, described in operations(document)
        for answer in described["responses"].values()
        for content in answer["content"].values()
        for part in content["schema"].get("allOf", ())
        for code in part.get("properties", {}).get("code", {}).get("enum", ())
    }
    assert told == tree - ON_THE_SOCKET_ALONE - OF_NO_OPERATION


async def test_every_member_that_is_shown_or_read_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shown = {kind for kind in kinds(views.View) if kind.__module__ in ("hub.views", "hub.web.problems")}
    read: set[type[msgspec.Struct]] = {forms.CreateSession, forms.EditSession, forms.PriceForm}
    read |= {forms.PaymentMessage, forms.PaymentAbout}
    everything: set[type[msgspec.Struct]] = {*(shown - SHOWN_BY_SOCKETS - PARTS_OF_THESE), *read}
    for kind in everything:
        fields = msgspec.structs.fields(kind)
        schema = schemas[kind.__name__]
        assert set(schema["properties"]) == {field.encode_name for field in fields}, kind
        assert set(schema.get("required", ())) == {field.encode_name for field in fields if field.required}, kind
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_every_query_and_header_that_is_read_is_described(document: dict[str, Any]) -> None:
    def names(path: str, method: str, where: str) -> set[str]:
        parameters = document["paths"][path][method]["parameters"]
        return {one["name"] for one in parameters if one["in"] == where}

    def members(form: type[forms.Form]) -> set[str]:
        return {field.encode_name for field in msgspec.structs.fields(form)}

    assert names(API, "get", "query") == members(forms.SessionsQuery)
    assert names(f"{API}/expert/my-sessions", "get", "query") == members(forms.SessionsQuery)
    assert names(f"{API}/{{id}}/bookings", "get", "query") == members(forms.BookingsQuery)
    for path in (f"{API}/student/my-bookings", f"{API}/{{id}}/participants"):
        assert names(path, "get", "query") == members(forms.PageQuery)
    assert names(f"{API}/{{id}}", "patch", "header") == {"If-Match"}
    assert names(f"{API}/{{id}}/events", "get", "header") == {"Last-Event-ID"}
    assert names("/api/payments/webhook", "post", "header") == set(signed(b"", "m")) - {"content-type"}
    for path, method, described in operations(document):
        has_id = any(one["name"] == "id" and one["required"] for one in described.get("parameters", ()))
        assert has_id == ("{id}" in path), (method, path)


async def test_what_was_made_leads_to_all_that_can_be_done_with_it(document: dict[str, Any]) -> None:
    of_one = {described["operationId"] for path, _, described in operations(document) if "{id}" in path}
    made = [one["responses"]["201"] for _, _, one in operations(document) if "201" in one["responses"]]
    assert len(made) == 3
    for answer in made:
        assert {link["operationId"] for link in answer["links"].values()} == of_one
        (place,) = {link["parameters"]["id"] for link in answer["links"].values()}
        data = answer["content"]["application/json"]["schema"]["properties"]["data"]["$ref"]
        view = document["components"]["schemas"][data.rsplit("/", 1)[1]]
        assert view["properties"][place.removeprefix("$response.body#/data/")]["type"] == "integer"


async def test_what_a_line_may_hold_is_described_as_it_is_held(document: dict[str, Any]) -> None:
    members = document["components"]["schemas"]["CreateSession"]["properties"]
    line, lines = (re.compile(members[name]["pattern"]) for name in ("title", "description"))
    for letter in map(chr, (*range(0xD800), *range(0xE000, 0x11_0000))):
        assert (line.match(letter) is not None) == (not is_control(letter) and not is_blank(letter))
        assert (lines.match(letter) is not None) == (letter in "\n\r\t" or not is_control(letter))


async def test_a_whole_number_is_one_however_it_is_written(hub: Running) -> None:
    assert (await hub.create(durationMinutes=60.0))["durationMinutes"] == 60


async def test_who_may_call_is_described(document: dict[str, Any]) -> None:
    for path, method, described in operations(document):
        open_to_all = {} in described["security"]
        expected = not path.startswith(API) or (method == "GET" and path.endswith((API, "/events", "/calendar.ics")))
        assert open_to_all == expected, (method, path)


async def test_every_success_of_the_server_fits_its_description(hub: Running, document: dict[str, Any]) -> None:
    path = f"/{(await hub.create(maxParticipants=5, meetingUrl='https://meet.example/1'))['id']}"
    paid = f"/{(await hub.create(price=PRICE))['id']}"
    doomed = f"/{(await hub.create())['id']}"
    walk = [
        ("GET", "", {}), ("POST", "", EXPERT), ("GET", "/expert/my-sessions", EXPERT), ("PATCH", path, EXPERT),
        ("POST", f"{path}/book", ANN), ("POST", f"{paid}/join", ANN), ("GET", path, ANN), ("GET", path, EXPERT),
        ("GET", "/student/my-bookings", ANN), ("GET", f"{path}/bookings", EXPERT), ("DELETE", f"{path}/book", ANN),
        ("GET", f"{path}/participants", EXPERT), ("GET", f"{path}/calendar.ics", {}),
        ("PATCH", f"{path}/start", EXPERT),
        ("GET", f"{path}/attendance", EXPERT), ("GET", f"{path}/attendance.csv", EXPERT),
        ("PATCH", f"{path}/end", EXPERT), ("DELETE", doomed, EXPERT),
    ]  # fmt: skip
    met = set()
    for method, where, headers in walk:
        body = draft() if method == "POST" else {"title": "Edited"}
        response = await ask(hub, method, where, headers, json=None if method == "GET" else body)
        assert response.status_code in (200, 201), (method, where, response.text)
        met.add((await reference(hub)).operation(method, API + where)["operationId"])  # type: ignore[index]
    message = json.dumps(said("succeeded", "unknown")).encode()
    paid_for = await ask_at(hub, "POST", "/api/payments/webhook", signed(message, "openapi"), content=message)
    assert paid_for.status_code == 200
    met.add("post_api_payments_webhook")
    for place, _, described in operations(document):
        if not place.startswith("/api"):
            assert (await ask_at(hub, "GET", place)).status_code == 200
            met.add(described["operationId"])
    # The stream never ends, so it is met in the tests of its own.
    assert met == {described["operationId"] for _, _, described in operations(document)} - {"get_one_events"}


async def test_an_answer_that_is_not_as_described_would_be_seen(document: dict[str, Any]) -> None:
    schema = document["paths"][f"{API}/{{id}}/book"]["delete"]["responses"]["200"]["content"]["application/json"]
    booking = {
        "id": "b", "sessionId": 1, "status": "confirmed", "createdAt": "2025-08-25T12:14:00Z", "confirmedAt": None,
        "cancelledAt": None, "expiresAt": None, "price": None,
    }  # fmt: skip
    held = Reference(document)
    held.validate(schema["schema"], {"success": True, "data": booking})
    for wrong in ({**booking, "meetingUrl": "https://meet.example"}, {**booking, "status": "paid"}, {"id": "b"}):
        with pytest.raises(AssertionError):
            held.validate(schema["schema"], {"success": True, "data": wrong})
