"""AsyncAPI 3, made from the messages' own types."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from hub import views
from hub.sockets import closing, examples
from hub.sockets.messages import Incoming, Outgoing

REF = "#/components/schemas/{name}"


def document() -> bytes:
    """The document, encoded."""
    said, told = get_args(Incoming), get_args(Outgoing)
    _, schemas = msgspec.json.schema_components([*said, *told], ref_template=REF)
    messages = {kind.__name__: _message(kind) for kind in (*said, *told)}
    return views.encode(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Live Session Hub",
                "version": "0.1.0",
                "description": "One socket for any number of sessions: text frames, one JSON object each.\n\n"
                + _closes(),
                "license": {"name": "MIT"},
            },
            "defaultContentType": "application/json",
            "channels": {
                "ws": {
                    "address": "/ws",
                    "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                }
            },
            "operations": {
                "say": _operation("receive", "What a client says", said),
                "tell": _operation("send", "What the hub tells", told),
            },
            "components": {"messages": messages, "schemas": schemas},
        }
    )


def _message(kind: Any) -> dict[str, Any]:
    return {
        "name": kind.__struct_config__.tag,
        "title": kind.__struct_config__.tag,
        "summary": " ".join((kind.__doc__ or "").split()),
        "payload": {"$ref": REF.format(name=kind.__name__)},
        "examples": examples.of(kind),
    }


def _operation(action: str, summary: str, kinds: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/ws"},
        "messages": [{"$ref": f"#/channels/ws/messages/{kind.__name__}"} for kind in kinds],
    }


def _closes() -> str:
    told = (f"- {close.code}, {'come back' if close.come_back else 'do not'}: {close.reason}" for close in closing.ALL)
    return "Close codes:\n" + "\n".join(told)
