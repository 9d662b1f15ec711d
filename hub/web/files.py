"""The page's own files, and documents that are made once: kept in memory as they are and compressed, with their tags.

Each is compressed when it is first asked for so: brotli at its best is slow, and `hub token` serves nothing.

Nothing here holds a secret or what a caller sent. Nothing else may be compressed: of an answer that mixes the two, the
length tells those who may choose the one what the other is (BREACH).
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import brotli
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.protection import ANYWHERE, ASKED_AGAIN

UTF8 = "; charset=utf-8"
TYPES: Mapping[str, str] = {
    ".css": f"text/css{UTF8}",
    ".html": f"text/html{UTF8}",
    ".js": f"text/javascript{UTF8}",
    ".svg": f"image/svg+xml{UTF8}",  # XML says its charset (ASVS 4.1.1)
    ".ts": f"text/plain{UTF8}",  # a `.d.ts` has no registered type; this one can be read in a browser
}
"""What is served, by its ending; not what the machine's own table says."""
PLAIN = "identity"
CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": lambda content: brotli.compress(content, mode=brotli.MODE_TEXT),
    "gzip": lambda content: gzip.compress(content, mtime=0),
    PLAIN: lambda content: content,
}
"""The forms there are, by the name of their coding (RFC 9110 §8.4.1, RFC 7932), the smallest first."""
WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """One of the forms that something is served in."""

    content: bytes
    headers: Mapping[str, str]

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return self.headers["etag"]


@dataclass(frozen=True, slots=True)
class Kept:
    """Something to read, in each of the forms; its tags are the same in every process."""

    content: bytes
    media_type: str
    _forms: dict[str, Form] = field(default_factory=dict, compare=False)

    def form(self, coding: str) -> Form:
        """It in one of CODINGS; made once."""
        if coding not in self._forms:
            self._forms[coding] = self._made(coding)
        return self._forms[coding]

    def _made(self, coding: str) -> Form:
        digest = sha256(self.content).hexdigest()[:20]
        headers = {"content-type": self.media_type, "cache-control": ASKED_AGAIN, "vary": "Accept-Encoding"}
        if coding == PLAIN:
            return Form(self.content, {**headers, "etag": f'"{digest}"'})
        headers |= {"etag": f'"{digest}-{coding}"', "content-encoding": coding}
        return Form(CODINGS[coding](self.content), headers)

    async def answer(self, request: Request) -> Response:
        """It, or that it has not changed. Whole, always: nobody asks for ranges of a few kilobytes."""
        coding = chosen(request.headers.getlist("accept-encoding"))
        known = self._forms.get(coding)
        form = known if known is not None else await asyncio.to_thread(self.form, coding)
        if names(request.headers.getlist("if-none-match"), form.tag):
            # Its type says which policy protects it: a page that got the closed one with its 304 lost its own scripts.
            kept = {name: form.headers[name] for name in ("cache-control", "content-type", "etag", "vary")}
            return Response(status_code=304, headers=kept)
        return Response(form.content, headers=form.headers)


@lru_cache(maxsize=256)
def keep(content: bytes, media_type: str) -> Kept:
    """`content` ready to be served, and compressed once for all hubs of a process."""
    return Kept(content, media_type)


@dataclass(slots=True)
class Made:
    """A document that is made when it is first asked for, by `make`, and kept."""

    make: Callable[[], bytes]
    media_type: str
    _kept: Kept | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, request: Request) -> Response:
        """As Kept does; of many who ask at once the first has it made, and the others wait for that."""
        async with self._turn:
            if self._kept is None:
                self._kept = keep(await asyncio.to_thread(self.make), self.media_type)
        return await self._kept.answer(request)


class Files:
    """A folder's files as they were when this was made, for pages of every origin: the client is among them."""

    def __init__(self, folder: Path) -> None:
        """Reads those whose ending has a type; not those in folders below."""
        files = [path for path in folder.iterdir() if path.suffix in TYPES]
        self._files = {path.name: keep(path.read_bytes(), TYPES[path.suffix]) for path in files}

    def paths(self, below: str) -> frozenset[str]:
        """Where they are when this is mounted at `below`."""
        return frozenset(below + name for name in self._files)

    def __getitem__(self, name: str) -> Kept:
        return self._files[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below where this is mounted."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        kept = self._files.get(scope["path"].removeprefix(f"{scope['root_path']}/"))
        if kept is None:
            raise HTTPException(404)
        response = await kept.answer(Request(scope))
        response.headers.update(ANYWHERE)
        await response(scope, receive, send)


def chosen(accepted: Iterable[str]) -> str:
    """Which of CODINGS the lines of an Accept-Encoding like best, of equals the smallest (RFC 9110 §12.5.3)."""
    weights: dict[str, float] = {}
    for line in accepted:
        for part in line.split(","):
            coding, _, parameter = part.partition(";")
            weight = WEIGHT.fullmatch(parameter.strip())
            name = coding.strip().lower().removeprefix("x-")  # `x-gzip` is gzip (§8.4.1.3)
            weights[name] = float(weight[1]) if weight else 0.0 if parameter.strip() else 1.0
    liked = {name: weights.get(name, 0.0 if name == PLAIN else weights.get("*", 0.0)) for name in CODINGS}
    best = max(CODINGS, key=lambda name: liked[name])
    return best if liked[best] > 0 else PLAIN


def names(if_none_match: Iterable[str], tag: str) -> bool:
    """Whether the lines of an If-None-Match name `tag`, or anything; compared weakly (RFC 9110 §13.1.2)."""
    tags = [one.strip().removeprefix("W/") for line in if_none_match for one in line.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags
