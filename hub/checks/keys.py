"""The public keys that tokens are verified with: are they there, and which of them can be used."""

from __future__ import annotations

import time
from collections.abc import Sequence

from httptools import HttpParserError

from hub.checks.finding import KEYS, Finding, green, red, yellow
from hub.fetching import Document
from hub.keys import KeySet, examined
from hub.logs import printable

SLOW_SECONDS = 1.0
SHOWN = 20
"""Keys, and letters of a key's name: a stranger's server says them."""
MEND = "mend the issuer or the address: without keys nobody can sign in"


async def look(url: str, seconds: float) -> Sequence[Finding]:
    """What is to be said of the set at `url`, read once, within `seconds`."""
    began = time.monotonic()
    try:
        text = await Document(url, seconds).read()
        keys, unfit = examined(text, KeySet.algorithms)
    except (OSError, ValueError, HttpParserError) as error:
        return [red(KEYS, f"HUB_JWT_JWKS_URL gives none: {_why(error, seconds)}", MEND)]
    took = time.monotonic() - began
    names = ", ".join(f"{algorithm} {_name(kid)}" for algorithm, kid in list(keys)[:SHOWN])
    said = f"{len(keys)} read in {took * 1000:.0f} ms ({names})"
    if took > SLOW_SECONDS:
        return [yellow(KEYS, f"{said}, which is slow", "look at the issuer: who signs in first may wait as long")]
    if unfit:
        odd = "; ".join(f"/keys/{number}: {printable(why)}" for number, why in list(unfit.items())[:SHOWN])
        return [
            yellow(KEYS, f"{said}; of no use are {odd}", "tokens signed with these are refused: mend or remove them")
        ]
    return [green(KEYS, said)]


def _why(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(error, ValueError) and type(error) is not ValueError:  # what JSON and its letters end in
        return "what it says is no JSON"
    return printable(str(error) or type(error).__name__)[:200]


def _name(kid: str | None) -> str:
    return "without a `kid`" if kid is None else printable(kid)[:SHOWN]
