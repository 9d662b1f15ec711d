"""From an ASGI request to a typed call and back: one declaration an operation serves routing and the reference."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Protocol
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub import strictjson, views
from hub.domain.people import Actor, Role
from hub.errors import (
    Fault,
    HubError,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from hub.store.reads import Page
from hub.web import forms
from hub.web.problems import broke, problem

MAX_BODY_BYTES = 64 * 1024
MAX_QUERY_BYTES = 8 * 1024
MAX_QUERY_NAMES = 100
MAX_ID = 2**31 - 1
JSON = "application/json"
EVENT_STREAM = "text/event-stream"


Fields = list[tuple[bytes, bytes]]
"""Lines of an answer's head."""


class Gate(Protocol):
    """What every request passes: who is it, and how often has it come."""

    async def enter(self, authorization: str | None, address: str, told: Fields) -> Actor | None:
        """The actor, None without a token; `told` gets what the answer is to say of the limit, be it a refusal.

        Raises Unauthenticated, TokenExpired, RateLimited, Unavailable.
        """


@dataclass(slots=True)
class Call:
    """One request, checked: who asks, for which session, and the forms it was asked with."""

    operation: Operation
    headers: Mapping[str, str]
    address: str
    actor: Actor | None
    session_id: int
    query: Any
    body: Any
    raw: bytes

    @property
    def signed_in(self) -> Actor:
        """Who asks; the operation said that someone must."""
        assert self.actor is not None
        return self.actor

    @property
    def page(self) -> Page:
        """Which page of a list was asked for."""
        return Page(self.query.page, self.query.limit)


@dataclass(slots=True)
class Answer:
    """What a handler answers: a view, or `content` of another `media_type`; `total` when it is a page."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    total: int | None = None
    content: bytes | None = None
    media_type: str = JSON
    bare: bool = False


Handler = Callable[[Call], Awaitable[Answer | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path. `who` is `anyone`, `signed in` or a role; `codes` are refusals beside the usual ones."""

    method: str
    path: str
    summary: str
    handler: Handler
    who: str = "signed in"
    query: type[forms.Form] | None = None
    body: type[forms.Form] | None = None
    raw_body: type[forms.Form] | None = None
    answers: Any = None
    status: int = 200
    media_type: str = JSON
    listed: bool = False
    bare: bool = False
    codes: Sequence[type[HubError]] = ()

    @property
    def has_session(self) -> bool:
        """Whether the path names a session."""
        return "{id}" in self.path


class Endpoint:
    """The ASGI application at one path: picks the operation, checks the request, encodes the answer."""

    def __init__(self, operations: Sequence[Operation], gate: Gate) -> None:
        self._path = operations[0].path
        self._operations = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._allow = ", ".join(sorted(self._operations))
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure is a problem."""
        told: Fields = []
        scope["hub.route"] = self._path  # for figures and the log; the two below for the log
        try:
            response = await self._answer(scope, receive, told)
        except MethodNotAllowed as refusal:
            response = problem(refusal, scope["path"], {"allow": self._allow})
        except Exception as error:
            response = problem(broke(f"{scope['method']} {scope['path']}", error), scope["path"])
        response.raw_headers += told
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, told: Fields) -> Response:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        client = scope.get("client")
        address = client[0] if client else ""
        actor = scope["hub.actor"] = await self._gate.enter(headers.get("authorization"), address, told)
        operation = self._operations.get(scope["method"])  # not before: what there is not counts, too
        if operation is None:
            raise MethodNotAllowed()
        session_id = _session_id(operation, scope)
        _admit(operation, actor)
        call = Call(operation, headers, address, actor, session_id, None, None, b"")
        if operation.query is not None:
            call.query = forms.read_query(operation.query, _query(scope["query_string"]))
        call.raw = await _read_body(headers, receive) if scope["method"] not in ("GET", "HEAD") else b""
        if operation.body is not None:
            _needs_json(headers)
            call.body = forms.read(operation.body, strictjson.parse(call.raw))
        answer = await operation.handler(call)
        if isinstance(answer, Answer) and isinstance(answer.data, views.SessionDetail) and answer.data.meeting:
            scope["hub.revealed"] = "meeting"
        return answer if isinstance(answer, Response) else _response(call, answer)


ROLES = {role.value: role for role in Role}


def _admit(operation: Operation, actor: Actor | None) -> None:
    if operation.who == "anyone":
        return
    if actor is None:
        raise Unauthenticated()
    role = ROLES.get(operation.who)
    if role is not None:
        actor.needs(role)


def _session_id(operation: Operation, scope: Scope) -> int:
    if not operation.has_session:
        return 0
    text: str = scope["path_params"]["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_ID):
        raise NotFound(f"There is no session {text[:40]!r}: ids are integers.")
    return int(text)


def _query(query_string: bytes) -> dict[str, list[str]]:
    if len(query_string) > MAX_QUERY_BYTES:
        raise InvalidInput.of([Fault("", f"the query may have {MAX_QUERY_BYTES} bytes at most")])
    try:
        text = query_string.decode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_NAMES)
    except ValueError:
        told = f"the query must be percent-encoded UTF-8, {MAX_QUERY_NAMES} names at most"
        raise InvalidInput.of([Fault("", told)]) from None


def _needs_json(headers: Mapping[str, str]) -> None:
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "') or "utf-8"
    if media_type.strip() != JSON or charset not in ("utf-8", "utf8"):
        raise InvalidInput.of([Fault("", "must be sent as `Content-Type: application/json`, in UTF-8")])


async def _read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise TooLarge(f"The body may hold {MAX_BODY_BYTES} bytes at most.")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("The request ended before its body did.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"The body may hold {MAX_BODY_BYTES} bytes at most.")
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _response(call: Call, answer: Answer) -> Response:
    headers = {"cache-control": "no-store", **answer.headers}
    content = encoded(call, answer) if answer.content is None else answer.content
    return Response(content, answer.status, headers, media_type=answer.media_type)


def encoded(call: Call, answer: Answer) -> bytes:
    """The answer's body as JSON."""
    body: Any = answer.data
    if not answer.bare:
        body = {"success": True, "data": answer.data}
    if answer.total is not None:
        page = call.page
        body["pagination"] = {
            "page": page.number,
            "limit": page.limit,
            "total": answer.total,
            "totalPages": ceil(answer.total / page.limit),
        }
    return views.encode(body)
