"""The examples of both references are true: they fit their own schemas, and what they say may be said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator, FormatChecker

from hub.sockets import asyncapi, messages
from hub.web import forms
from hub.web.examples import BODIES
from tests.conforming import Reference, one_hub, reference
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

OF_NO_SHAPE = {"/metrics", "/openapi.json", "/asyncapi.json", "/", "/docs", "/favicon.ico"}
"""What they answer is shown by opening them."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def rest(hub: Running) -> Reference:
    """The reference as it is served."""
    return await reference(hub)


def shown(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each place where an example may stand: what it belongs to, its schema, and its examples."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            where = f"{method.upper()} {path}"
            for one in described.get("parameters", ()):
                yield f"{where} {one['name']}", one["schema"], one.get("examples", {})
            for media in described.get("requestBody", {"content": {}})["content"].values():
                yield f"{where} body", media["schema"], media["examples"]
            for status, answer in described["responses"].items():
                for media in answer["content"].values():
                    yield f"{where} {status}", media["schema"], media.get("examples", {})


async def test_every_example_of_rest_fits_its_schema(rest: Reference) -> None:
    found = [(where, schema, one["value"]) for where, schema, some in shown(rest.document) for one in some.values()]
    for where, schema, value in found:
        rest.validate(schema, value)
        assert value not in (None, "", [], {}), where
    assert len(found) > 40
    for value in rest.document["components"]["schemas"]["Problem"]["examples"]:
        rest.validate({"$ref": "#/components/schemas/Problem"}, value)


async def test_control_an_example_that_does_not_fit_would_be_found(rest: Reference) -> None:
    schema, example = next((schema, some["example"]) for where, schema, some in shown(rest.document) if "201" in where)
    with pytest.raises(AssertionError):
        rest.validate(schema, {**example["value"], "data": {**example["value"]["data"], "id": "12"}})


async def test_every_body_and_every_success_has_an_example(rest: Reference) -> None:
    bare = {
        where
        for where, _, some in shown(rest.document)
        if where.endswith((" body", " 200", " 201")) and not some and where.split()[1] not in OF_NO_SHAPE
    }
    assert bare == set()


@pytest.mark.parametrize("form", BODIES, ids=lambda form: form.__name__)
async def test_every_body_of_an_example_is_taken_by_its_form(form: type[forms.Form]) -> None:
    taken = forms.read(form, BODIES[form])
    if isinstance(taken, forms.CreateSession):
        assert taken.starts_at > datetime.now(UTC)


SOCKET: dict[str, Any] = json.loads(asyncapi.document())
KINDS = (*get_args(messages.Incoming), *get_args(messages.Outgoing))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
async def test_every_message_has_examples_which_fit_its_schema(kind: type[Any]) -> None:
    described = SOCKET["components"]["messages"][kind.__name__]
    schema = {**described["payload"], "components": SOCKET["components"]}
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    known = set(SOCKET["components"]["schemas"][kind.__name__]["properties"])

    assert described["examples"]
    for example in described["examples"]:
        assert example["summary"]
        assert [error.message for error in validator.iter_errors(example["payload"])] == []
        assert set(example["payload"]) <= known
        if kind in get_args(messages.Incoming):
            assert isinstance(messages.read(json.dumps(example["payload"])), kind)
