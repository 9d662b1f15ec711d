"""OpenAPI 3.1, made from the routes' own table and types: what is not declared there can't be served."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hub import errors, news, views
from hub.domain.payments import PaymentType
from hub.web import examples, forms
from hub.web.http import EVENT_STREAM, JSON, Operation
from hub.web.pages import PLACES, Place
from hub.web.payments import LONGEST_ID
from hub.web.problems import MEDIA_TYPE, STATUSES, Problem

REF = "#/components/schemas/{name}"
COUNTED = {
    "RateLimit-Policy": {"description": "How many requests in how many seconds.", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "How many are left, and in how many seconds all of them are back; on a 429, the next one.",
        "schema": {"type": "string"},
    },
}
"""What answers to requests that are counted say of that (draft-ietf-httpapi-ratelimit-headers), unless it is off."""
SIGNATURE: Mapping[str, dict[str, Any]] = {
    "webhook-id": {"type": "string", "maxLength": LONGEST_ID, "pattern": "^[!-~]+$"},
    "webhook-timestamp": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    "webhook-signature": {"type": "string"},
}
"""The headers of Standard Webhooks."""

OTHER_MESSAGE = {
    "type": "object",
    "description": "Anything else that a provider tells; it is ignored.",
    "properties": {"type": {"type": "string", "not": {"enum": list(PaymentType)}}},
    "required": ["type"],
}
SESSION_IN = {views.SessionView: "id", views.BookingView: "sessionId"}
"""Where the answer to a POST names the session that can be asked for next."""


class Pagination(views.View):
    """Where in a list this page stands."""

    page: int
    limit: int
    total: int
    total_pages: int


def document(operations: Sequence[Operation]) -> bytes:
    """The document, encoded."""
    kinds = _kinds(operations)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = described = _operation(operation, by_kind)
        if operation.status == 201:
            described["responses"]["201"]["links"] = _links(SESSION_IN[operation.answers], operations)
        for response in described["responses"].values():
            response.setdefault("headers", {}).update(COUNTED)
    for place in PLACES:
        paths[place.path] = {"get": _place(place, by_kind)}
    components["Problem"]["properties"]["code"]["enum"] = sorted(kind.code for kind in STATUSES)
    components["Problem"]["examples"] = [examples.refusal()]
    return views.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Live Session Hub",
                "version": "0.1.0",
                "description": "Live sessions: scheduled, booked and seen live, with attendance that can be proved.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
        }
    )


def _kinds(operations: Sequence[Operation]) -> list[Any]:
    named: list[Any] = [
        Problem,
        Pagination,
        news.SessionMessage,
        *(place.shows for place in PLACES if place.shows is not None),
    ]
    for operation in operations:
        named += [kind for kind in (operation.body, operation.raw_body, operation.answers) if kind is not None]
    return list(dict.fromkeys(named))


def _operation(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "tags": ["payments" if "payments" in operation.path else "live sessions"],
        "parameters": _parameters(operation),
        "responses": {str(operation.status): _success(operation, schemas), **_refusals(operation, schemas)},
        "security": [{}, {"bearer": []}] if operation.who == "anyone" else [{"bearer": []}],
    }
    if operation.who in ("expert", "student"):
        described["description"] = f"Needs a token with the role `{operation.who}`."
    body = operation.body or operation.raw_body
    if body is not None:
        schema = {"anyOf": [schemas[body], OTHER_MESSAGE]} if operation.raw_body is not None else schemas[body]
        content = {"schema": schema, "examples": _example(examples.body(operation))}
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    return described


def _place(place: Place, schemas: dict[Any, Any]) -> dict[str, Any]:
    schema = (
        {"type": "object" if place.media_type == JSON else "string"} if place.shows is None else schemas[place.shows]
    )
    content = {"schema": schema}
    if place.example is not None:
        content["examples"] = _example(place.example)
    responses: dict[str, Any] = {"200": {"description": place.summary, "content": {place.media_type: content}}}
    if place.may_refuse:
        responses["503"] = _refusal([errors.Unavailable], schemas)
    if place.counted:
        responses["429"] = _refusal([errors.RateLimited], schemas)
        for response in responses.values():
            response.setdefault("headers", {}).update(COUNTED)
    return {
        "operationId": "get_" + (re.sub(r"[^a-z]+", "_", place.path.strip("/")) or "page"),
        "summary": place.summary,
        "tags": ["beside"],
        "responses": responses,
        "security": [{}],
    }


def _operation_id(operation: Operation) -> str:
    words = re.findall(r"[a-z]+", operation.path.removeprefix("/api/live-sessions").replace("{id}", "one"))
    return "_".join([operation.method.lower(), *words]) if words else f"{operation.method.lower()}_sessions"


def _links(member: str, operations: Sequence[Operation]) -> dict[str, Any]:
    session = {"id": f"$response.body#/data/{member}"}
    names = [_operation_id(operation) for operation in operations if operation.has_session]
    return {name: {"operationId": name, "parameters": session} for name in names}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if operation.has_session:
        schema = {"type": "integer", "minimum": 1}
        example = _example(examples.SESSION_ID)
        parameters.append({"name": "id", "in": "path", "required": True, "schema": schema, "examples": example})
    if operation.query is not None:
        form, components = _inline(operation.query)
        asked = examples.QUERIES[operation.query]
        for name, about in form["properties"].items():
            parameter = {"name": name, "in": "query", "required": False, "schema": _resolved(about, components)}
            parameters.append(parameter | ({"examples": _example(asked[name])} if name in asked else {}))
    if operation.body is forms.EditSession:
        parameters.append(_header("If-Match", {"type": "string"}))
    if operation.media_type == EVENT_STREAM:
        parameters.append(_header("Last-Event-ID", {"type": "string"}))
    if operation.raw_body is not None:
        parameters += [_header(name, schema, required=True) for name, schema in SIGNATURE.items()]
    return parameters


def _header(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": schema}


def _inline(kind: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([kind], ref_template=REF)
    return components[schema["$ref"].rsplit("/", 1)[1]], components


def _resolved(schema: Any, components: dict[str, Any]) -> Any:
    """`schema` with its references put in place; a query parameter can't be null, so that choice is dropped."""
    if isinstance(schema, list):
        return [_resolved(entry, components) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(components[schema["$ref"].rsplit("/", 1)[1]], components)
    choices = [entry for entry in schema.get("anyOf", ()) if entry != {"type": "null"}]
    if len(choices) == 1:
        return _resolved(choices[0], components)
    return {name: _resolved(value, components) for name, value in schema.items() if (name, value) != ("default", None)}


def _success(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    if operation.answers is None:
        schema = _event(schemas) if operation.media_type == EVENT_STREAM else {"type": "string"}
        content = {"schema": schema, "examples": _example(examples.answer(operation, _operation_id(operation)))}
        return {"description": operation.summary, "content": {operation.media_type: content}}
    answer = schemas[operation.answers]
    members: dict[str, Any] = {"success": {"const": True}, "data": answer}
    if operation.listed:
        members = {**members, "data": {"type": "array", "items": answer}, "pagination": schemas[Pagination]}
    whole = {"type": "object", "properties": members, "required": list(members)}
    content = {
        "schema": answer if operation.bare else whole,
        "examples": _example(examples.answer(operation, _operation_id(operation))),
    }
    response: dict[str, Any] = {"description": operation.summary, "content": {JSON: content}}
    headers = []
    if operation.status == 201 and operation.body is not None:
        headers.append("Location")
    if not operation.listed and operation.answers in (views.SessionView, views.SessionDetail):
        headers.append("ETag")
    if headers:
        response["headers"] = {name: {"required": True, "schema": {"type": "string"}} for name in headers}
    return response


def _example(value: Any) -> dict[str, Any]:
    return {"example": {"value": value}}


def _event(schemas: dict[Any, Any]) -> dict[str, Any]:
    """One event of a stream, by the names of its fields."""
    told = {"type": "string", "contentMediaType": JSON, "contentSchema": schemas[news.SessionMessage]}
    members = {"event": {"const": "session"}, "id": {"type": "string", "pattern": "^[0-9]+$"}, "data": told}
    return {"type": "object", "properties": members, "required": list(members)}


def _refusals(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    codes: set[type[errors.HubError]] = {errors.RateLimited, errors.Internal, errors.Unavailable, *operation.codes}
    codes |= {errors.Unauthenticated, errors.TokenExpired}
    if operation.who in ("expert", "student"):
        codes.add(errors.Forbidden)
    if operation.has_session:
        codes.add(errors.NotFound)
    if operation.query is not None or operation.body is not None:
        codes.add(errors.InvalidInput)
    if operation.method != "GET":
        codes |= {errors.TooLarge, errors.InvalidInput}
    by_status: dict[int, list[type[errors.HubError]]] = {}
    for code in codes:
        by_status.setdefault(STATUSES[code], []).append(code)
    return {str(status): _refusal(kinds, schemas) for status, kinds in sorted(by_status.items())}


def _refusal(kinds: list[type[errors.HubError]], schemas: dict[Any, Any]) -> dict[str, Any]:
    told = [f"`{kind.code}`: {(kind.__doc__ or '').strip()}" for kind in sorted(kinds, key=lambda kind: kind.code)]
    codes = sorted(kind.code for kind in kinds)
    schema = {"allOf": [schemas[Problem], {"type": "object", "properties": {"code": {"enum": codes}}}]}
    response: dict[str, Any] = {"description": "\n\n".join(told), "content": {MEDIA_TYPE: {"schema": schema}}}
    if {errors.RateLimited, errors.Unavailable} & set(kinds):
        response["headers"] = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
    return response
