"""Names and titles are text, never markup, in a real browser (C1, S12): a script in them is shown, and never runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Route

from tests.browser import Watched, opened, sign_in
from tests.running import EXPERT, PATIENCE, Client, Running, bearer, running, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

RAN = "window.canary=1"
PAYLOADS: Mapping[str, str] = {
    "script": f"<script>{RAN}</script>",
    "image": f"<img src=x onerror={RAN}>",
    "image, quoted": f'"><img src=x onerror="{RAN}">',
    "image, single quotes": f"'><img src=x onerror='{RAN}'>",
    "image, slashes": f"<img/src=x/onerror={RAN}//",
    "svg": f"<svg onload={RAN}>",
    "svg animation": f"<svg><animate onbegin={RAN} attributeName=x dur=1s>",
    "iframe": '<iframe srcdoc="<script>parent.canary=1</script>">',
    "iframe, script URL": '<iframe src="javascript:parent.canary=1">',
    "link": f'<a href="javascript:{RAN}">click</a>',
    "script URL": f"javascript:{RAN}",
    "body": f"<body onload={RAN}>",
    "details": f"<details open ontoggle={RAN}>",
    "input": f"<input autofocus onfocus={RAN}>",
    "video": f"<video><source onerror={RAN}></video>",
    "style": "<style>@import'javascript:1';*{display:none!important}</style>",
    "base": '<base href="https://evil.example/">',
    "meta": f'<meta http-equiv=refresh content="0;url=javascript:{RAN}">',
    "form": f"<form action=javascript:{RAN}><button>x",
    "attribute": f'" onmouseover={RAN} autofocus onfocus={RAN} x="',
    "attribute, backticks": f"` onfocus={RAN} autofocus `",
    "title": f"</title><script>{RAN}</script>",
    "comment": f"--><script>{RAN}</script><!--",
    "CDATA": f"]]><script>{RAN}</script>",
    "entities": f"&lt;script&gt;{RAN}&lt;/script&gt;",
    "numeric entities": f"&#60;img src=x onerror={RAN}&#62;",
    "template": "${window.canary=1} {{constructor.constructor('window.canary=1')()}} #{1} <%= 1 %>",
    "full width": f"\uff1cscript\uff1e{RAN}\uff1c/script\uff1e",
    "escapes": f"\\u003cimg src=x onerror={RAN}\\u003e \\x3c",
    "mutation": f'<noscript><p title="</noscript><img src=x onerror={RAN}>">',
    "math": f"<math><mtext><table><mglyph><style><img src=x onerror={RAN}>",
    "prototype": "__proto__",
    "long": "W" * 190,
    "marks": "Z" + "\u0300" * 150,
    "joiners": "a\u200b\u200d\u00ad\u2060b",
}
"""Each would set `canary`, or break the page, were it taken for anything but text."""

TURNED = "x\u202e)1=yranac.wodniw(\u2066"


class World:
    """A hub in which everything is named by a payload, and everyone is in."""

    def __init__(self, hub: Running) -> None:
        self.hub = hub
        self.sessions: dict[str, int] = {}
        self.expert = token("e-7", "expert", PAYLOADS["image"])

    async def fill(self, stack: AsyncExitStack) -> None:
        """A session for each payload: title, description, course, instructor, password, and who is present."""
        for number, payload in enumerate(PAYLOADS.values()):
            owner = bearer("e-7", "expert", payload)
            secret = {"meetingUrl": f"https://meet.example/#{quote(payload)}", "meetingPassword": payload}
            session = await self.hub.create(owner, title=payload, description=payload, courseId=payload, **secret)
            assert (session["title"], session["instructor"]) == (payload, payload)
            self.sessions[payload] = session["id"]
            await self.hub.start(session["id"])
            await self._enter(
                stack, session["id"], payload, f"{number}{payload}"[:60] if payload.isprintable() else f"s-{number}"
            )

    async def _enter(self, stack: AsyncExitStack, session_id: int, name: str, sub: str) -> None:
        who = bearer(sub, "student", name)
        assert (await self.hub.call("POST", f"/{session_id}/book", who)).status_code == 201
        client = await stack.enter_async_context(Client.with_headers(self.hub, who))
        assert (await client.ask(type="join", session=session_id))["type"] == "ok"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The hub of payloads."""
    async with running(tmp_path_factory.mktemp("xss")) as hub, AsyncExitStack() as stack:
        made = World(hub)
        await made.fill(stack)
        yield made


async def shown(watched: Watched, world: World, selector: str) -> dict[str, str]:
    """The text of this part of each session's card."""
    told = {}
    for payload, session_id in world.sessions.items():
        told[payload] = (
            await watched.page.locator(f"[data-session='{session_id}'] {selector}").first.text_content() or ""
        )
    return told


async def alone(watched: Watched, session_id: int) -> Locator:
    """One session by itself, in its own view."""
    await watched.page.evaluate("id => { location.hash = `#/sessions/${id}` }", session_id)
    view = watched.page.locator(f"article.one[data-session='{session_id}']")
    await view.wait_for()
    return view


async def unhurt(watched: Watched) -> None:
    """Nothing ran, nothing was stopped from running, and no element came of a text."""
    assert await watched.page.evaluate("window.canary") is None
    assert watched.faults == []
    ours = "[data-part=chart] figure > svg"
    foreign = watched.page.locator(f"main :is(script, iframe, svg, video, style, base, meta, math, img):not({ours})")
    assert await foreign.count() == 0


async def all_cards(watched: Watched, world: World) -> None:
    """Wait until every session is on the page."""
    await watched.page.locator("article.card").nth(len(PAYLOADS) - 1).wait_for()


async def titles_are_text(watched: Watched, world: World) -> None:
    await all_cards(watched, world)
    assert await shown(watched, world, "h3") == {payload: payload for payload in PAYLOADS.values()}
    assert await shown(watched, world, ".about") == {payload: payload for payload in PAYLOADS.values()}
    metas = await shown(watched, world, ".meta > span")
    assert [payload for payload, meta in metas.items() if not meta.startswith(f" · {payload} · ")] == []


async def test_c1_s12_a_watcher_sees_text(browser: Browser, world: World) -> None:
    async with opened(browser, world.hub.url) as watched:
        await titles_are_text(watched, world)
        await unhurt(watched)


async def test_c1_s12_an_expert_sees_names_of_those_present_as_text(browser: Browser, world: World) -> None:
    async with opened(browser, world.hub.url) as watched:
        await sign_in(watched, world.expert)
        await titles_are_text(watched, world)
        signed_in = await watched.page.locator("#signed-in-name").text_content()
        assert signed_in == f"{PAYLOADS['image']}, expert"
        for payload, session_id in world.sessions.items():
            view = await alone(watched, session_id)
            assert await view.locator("[data-field=title]").text_content() == payload
            assert await view.locator(".about").text_content() == payload
            assert await view.locator(".by").text_content() == f"With {payload}"
            for part in ("roster", "attendance", "bookings"):
                name = watched.page.locator(f"[data-part={part}] :is(li .name, tbody th)").first
                assert await name.text_content() == payload
            assert await watched.page.title() == f"{' '.join(payload.split())} · Live Session Hub"
        await unhurt(watched)


async def test_c1_s12_a_student_sees_meeting_and_roster_as_text(browser: Browser, world: World) -> None:
    async with opened(browser, world.hub.url) as watched:
        name = PAYLOADS["image, quoted"]
        await sign_in(watched, token(name, "student", name))
        await all_cards(watched, world)
        for payload in (PAYLOADS["script"], PAYLOADS["link"], PAYLOADS["attribute"]):
            view = await alone(watched, world.sessions[payload])
            await view.locator("[data-action=book]").click()
            await view.locator("[data-action=join]").click()
            assert await view.locator(".meeting code").text_content() == payload
            link = await view.locator("[data-action=meeting]").get_attribute("href")
            assert link is not None
            assert link.startswith("https://meet.example/")
            await view.locator("[data-person]").nth(1).wait_for()
            names = await view.locator("[data-person] .name").all_text_contents()
            assert {name, payload} <= set(names)
            assert await view.locator("[data-person] em").all_text_contents() == ["you"]
        await unhurt(watched)


async def test_c1_s12_what_is_typed_or_stands_in_the_address_is_text(browser: Browser, world: World) -> None:
    async with opened(browser, world.hub.url) as watched:
        for payload in (PAYLOADS["image"], PAYLOADS["attribute"], PAYLOADS["template"]):
            await watched.page.locator("#q").fill(f"none {payload}")
            title = watched.page.locator("#state-title")
            await title.get_by_text(f"Nothing found for “none {payload}”", exact=True).wait_for()
        for path in ("/", "/docs"):
            for payload in (PAYLOADS["image, quoted"], PAYLOADS["script"], PAYLOADS["script URL"]):
                await watched.page.goto(f"{world.hub.url}{path}?q={quote(payload)}#{quote(payload)}")
        await unhurt(watched)


async def test_c1_s12_a_refused_form_repeats_what_was_typed_as_text(browser: Browser, world: World) -> None:
    async with opened(browser, world.hub.url) as watched:
        await sign_in(watched, world.expert)
        await watched.page.locator("#new").click()
        payload = PAYLOADS["image"]
        for field in ("title", "timezone", "meetingUrl", "meetingPassword"):
            await watched.page.locator(f"#f-{field}").fill(payload)
        await watched.page.locator("#f-price").fill("3")
        await watched.page.locator("#f-currency").fill("<b>")
        await watched.page.locator("#session-form [type=submit]").click()
        await watched.page.locator("#session-form .note[role=alert]").wait_for()
        assert await watched.page.locator("#f-meetingUrl-error").text_content()
        await unhurt(watched)


async def test_s12_letters_that_turn_a_line_around_are_refused_in_titles_and_blanks_in_names(world: World) -> None:
    refused = await world.hub.call(
        "POST", "", EXPERT, json={"title": TURNED, "startsAt": "2099-01-01T00:00:00Z", "durationMinutes": 5}
    )
    made = await world.hub.create(bearer("e-9", "expert", TURNED))

    assert refused.status_code == 422
    assert made["instructor"] == TURNED.replace("\u202e", " ").replace("\u2066", " ").strip()
    await world.hub.call("DELETE", f"/{made['id']}", bearer("e-9", "expert", TURNED))


async def with_markup(route: Route) -> None:
    """The page's module for elements, with the mistake that all of this is about."""
    answer = await route.fetch()
    source = await answer.text()
    mistaken = source.replace("node.textContent = text", "node.innerHTML = text")
    assert mistaken != source
    await route.fulfill(response=answer, body=mistaken)


async def test_control_a_page_that_takes_titles_for_markup_runs_them(browser: Browser, world: World) -> None:
    async with opened(browser, "", bypass_csp=True) as watched:
        await watched.page.route("**/static/dom.js", with_markup)
        await watched.page.goto(world.hub.url)
        async with asyncio.timeout(PATIENCE):
            while not await watched.page.evaluate("window.canary"):  # noqa: ASYNC110  it runs as images fail to load
                await asyncio.sleep(0.02)


async def test_c1_even_that_page_runs_nothing_under_the_policy(browser: Browser, world: World) -> None:
    async with opened(browser, "") as watched:
        await watched.page.route("**/static/dom.js", with_markup)
        await watched.page.goto(world.hub.url)
        async with asyncio.timeout(PATIENCE):
            while not watched.violations:  # noqa: ASYNC110  the page tells of it by a call
                await asyncio.sleep(0.02)
        assert await watched.page.evaluate("window.canary") is None
        assert "require-trusted-types-for" in watched.violations[0]
