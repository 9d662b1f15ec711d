"""The reference of the WebSocket is valid and whole: every message that can be said or told is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from hub import news, views
from hub.errors import InvalidInput
from hub.sockets import asyncapi, closing, messages
from tests.running import Client, Running, now, token

DOCUMENT: dict[str, Any] = json.loads(asyncapi.document())
SAID = get_args(messages.Incoming)
TOLD = get_args(messages.Outgoing)


def references(value: Any) -> Iterator[str]:
    """Every $ref below `value`."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for member in value:
            yield from references(member)


def resolved(reference: str, document: dict[str, Any] = DOCUMENT) -> Any:
    """What a $ref points to; KeyError for nothing."""
    assert reference.startswith("#/")
    value: Any = document
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def payload(kind: type) -> Draft202012Validator:
    """The validator of one message's payload."""
    reference = resolved(f"#/components/messages/{kind.__name__}")["payload"]
    return Draft202012Validator({**reference, "components": DOCUMENT["components"]}, format_checker=FormatChecker())


def test_the_document_has_what_asyncapi_3_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for channel in DOCUMENT["channels"].values():
        assert channel["address"] == "/ws"
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["channel"] == {"$ref": "#/channels/ws"}
    allowed = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
    assert set(DOCUMENT) <= allowed


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 20
    for reference in found:
        assert resolved(reference) is not None
    with pytest.raises(KeyError):
        resolved("#/components/messages/Nothing")


def test_every_message_is_there_once_for_its_direction() -> None:
    said, told = (
        [resolved(one["$ref"]) for one in DOCUMENT["operations"][name]["messages"]] for name in ("say", "tell")
    )
    for listed, kinds in ((said, SAID), (told, TOLD)):
        resolved_messages = [resolved(one["$ref"]) for one in listed]
        assert [one["name"] for one in resolved_messages] == [kind.__struct_config__.tag for kind in kinds]
        assert all(one["summary"] for one in resolved_messages)
    assert set(DOCUMENT["channels"]["ws"]["messages"]) == {kind.__name__ for kind in (*SAID, *TOLD)}


def test_no_message_of_the_code_is_left_out() -> None:
    tagged = {
        kind
        for module in (messages, news, views)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag
    }
    abstract = {messages.ClientMessage}
    assert tagged - abstract == {*SAID, *TOLD}


@pytest.mark.parametrize("kind", [*SAID, *TOLD], ids=lambda kind: str(kind.__name__))
def test_every_member_of_a_message_is_described(kind: type[msgspec.Struct]) -> None:
    schema = DOCUMENT["components"]["schemas"][kind.__name__]
    Draft202012Validator.check_schema(schema)
    names = {field.encode_name for field in msgspec.structs.fields(kind)}
    assert set(schema["properties"]) == names | {"type"}
    assert schema["properties"]["type"] == {"enum": [kind.__struct_config__.tag]}
    assert "type" in schema["required"]


def test_every_close_code_is_told_with_whether_to_come_back() -> None:
    text = DOCUMENT["info"]["description"]
    for close in closing.ALL:
        assert f"{close.code}, {'come back' if close.come_back else 'do not'}: " in text


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        (messages.Auth, {"token": "t", "id": 1}, {"id": 1}),
        (messages.Watch, {"sessions": [12, 13], "catalog": True}, {"sessions": ["12"]}),
        (messages.Join, {"id": "a", "session": 12}, {"session": 0}),
        (messages.Ping, {"id": None}, {"id": [], "colour": "red"}),
    ],
)
def test_what_a_client_says_is_taken_exactly_when_its_schema_says_so(
    kind: type[msgspec.Struct], good: dict[str, Any], wrong: dict[str, Any]
) -> None:
    tag = {"type": kind.__struct_config__.tag}
    assert payload(kind).is_valid(tag | good)
    assert isinstance(messages.read(json.dumps(tag | good)), kind)
    assert not payload(kind).is_valid(tag | wrong)
    with pytest.raises(InvalidInput):
        messages.read(json.dumps(tag | wrong))


async def test_what_the_hub_tells_fits_its_schemas(hub: Running) -> None:
    by_type = {kind.__struct_config__.tag: kind for kind in TOLD}
    session = await hub.create(startsAt=(now() + timedelta(minutes=1)).isoformat())
    await hub.book(session["id"], "ann")
    async with Client.at(hub, "e-7", "expert") as host, Client.at(hub, "ann") as ann:
        answers = [
            await host.ask(type="auth", token=token("e-7", "expert")),
            await host.ask(type="watch", sessions=[session["id"], 999], catalog=True),
            await host.ask(type="join", session=session["id"]),
            await host.ask(type="ping"),
            await host.ask(type="join", session=999),
            await host.expect("roster"),
            await ann.ask(type="join", session=session["id"]),
            await host.expect("presence"),
        ]
        await hub.start(session["id"])
        answers += [await host.expect("session", status="active"), await host.expect("catalog")]
    seen = set()
    for answer in answers:
        seen.add(answer["type"])
        assert [error.message for error in payload(by_type[answer["type"]]).iter_errors(answer)] == []
    assert seen == {"ok", "error", "pong", "session", "roster", "presence", "catalog"}
