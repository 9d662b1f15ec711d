"""What browsers are told on every answer, and by nothing else: what they may load, who may frame it, what they keep.

One table for REST, for the page, and for refused handshakes; OWASP ASVS 5.0 §3.4 by its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

EVERYWHERE: Mapping[str, str] = {
    "x-content-type-options": "nosniff",  # 3.4.4
    "cross-origin-resource-policy": "same-origin",  # 3.5.8; what CORS allows is no matter of it
}

CLOSED: Mapping[str, str] = {
    **EVERYWHERE,
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",  # 3.4.3, 3.4.6
}
"""For what is no page: opened by itself, it can do nothing."""

PAGE: Mapping[str, str] = {
    **EVERYWHERE,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
        # A text that reaches innerHTML or a script's source is an error there, not a hole (W3C Trusted Types).
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "referrer-policy": "no-referrer",  # 3.4.5
    "cross-origin-opener-policy": "same-origin",  # 3.4.8
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""For HTML."""

OVER_TLS: Mapping[str, str] = {"strict-transport-security": "max-age=31536000; includeSubDomains"}
"""Beside them, where the request came over TLS: a year (3.4.1). Over plain HTTP browsers ignore it (RFC 6797 §8.1)."""

ANYWHERE: Mapping[str, str] = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
"""Of the page's files, which say nothing of anybody: a page of another origin may import the client."""

UNKEPT = "no-store"
"""The Cache-Control of an answer that says nothing of its own (14.3.2)."""
ASKED_AGAIN = "no-cache"
"""That of the page's files: kept, and asked for again, since their names do not change with what is in them."""
