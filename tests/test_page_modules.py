"""The page asks for all that its first list needs at once: a module that is found by reading another one comes late."""

from __future__ import annotations

import re

from hub.web.pages import STATIC

PRELOADED = re.compile(r'<link rel="modulepreload"[^>]* href="/static/([a-z-]+\.js)"')
IMPORTED = re.compile(r'^(?:import|export) [^;]*?from "\./([a-z-]+\.js)"', re.MULTILINE)


def needed(start: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The module and all that it imports by itself; what it imports in the course of things is another matter."""
    known |= {start}
    for name in IMPORTED.findall((STATIC / start).read_text()):
        if name not in known:
            known = needed(name, known)
    return known


def test_what_the_first_list_and_the_socket_need_is_preloaded_and_nothing_else() -> None:
    index = (STATIC / "index.html").read_text()

    assert sorted(PRELOADED.findall(index)) == sorted((needed("app.js") - {"app.js"}) | needed("hub-client.js"))
    assert "expert.js" in needed("expert.js") - needed("app.js")
    assert len(needed("app.js")) > 5
