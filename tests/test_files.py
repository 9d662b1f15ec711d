"""The page's files and the references: compressed for those who take it, each form with its own tag, never a part."""

from __future__ import annotations

import asyncio
import gzip
from itertools import count
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request

from hub.web.files import CODINGS, TYPES, Files, Made, chosen, keep, names
from hub.web.pages import STATIC
from tests.conforming import ANN, one_hub
from tests.running import API, EXPERT, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

DOCUMENTS = ("/", "/docs", "/favicon.ico", "/openapi.json", "/asyncapi.json")
PATHS = (*DOCUMENTS, *(f"/static/{file.name}" for file in sorted(STATIC.iterdir()) if file.is_file()))


async def ask(hub: Running, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
    """One answer; its `content` is what it holds, not what was sent."""
    async with hub.http() as http:
        return await http.request(
            method, path, headers={"accept-encoding": "identity"} | {n.replace("_", "-"): v for n, v in headers.items()}
        )


@pytest.mark.parametrize("path", PATHS)
async def test_each_is_served_in_three_forms_that_hold_the_same(hub: Running, path: str) -> None:
    plain, zipped = await ask(hub, path), await ask(hub, path, accept_encoding="gzip, deflate")
    least = await ask(hub, path, accept_encoding="gzip, deflate, br, zstd")  # as browsers do
    assert "content-encoding" not in plain.headers
    assert (zipped.headers["content-encoding"], least.headers["content-encoding"]) == ("gzip", "br")
    sizes = [int(answer.headers["content-length"]) for answer in (least, zipped, plain)]
    assert sizes == sorted(set(sizes)), "the best form is the smallest"
    assert len({answer.headers["etag"] for answer in (plain, zipped, least)}) == 3
    for answer in plain, zipped, least:
        assert (answer.status_code, answer.content) == (200, plain.content)
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-type"] == plain.headers["content-type"]
    assert sizes[2] == len(plain.content)


@pytest.mark.parametrize("encoding", CODINGS)
@pytest.mark.parametrize("path", ["/", "/static/app.js", "/openapi.json"])
async def test_what_one_has_already_is_not_sent_again_and_of_the_other_form_it_is(
    hub: Running, path: str, encoding: str
) -> None:
    first = await ask(hub, path, accept_encoding=encoding)
    tag, other = first.headers["etag"], "br" if encoding == "gzip" else "gzip"
    for given in (tag, f"W/{tag}", f'"old", {tag}', "*"):
        again = await ask(hub, path, accept_encoding=encoding, if_none_match=given)
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["vary"]) == (tag, "Accept-Encoding")
        assert "content-encoding" not in again.headers
    changed = await ask(hub, path, accept_encoding=other, if_none_match=tag)
    assert (changed.status_code, changed.content) == (200, first.content)


@pytest.mark.parametrize("encoding", CODINGS)
async def test_a_head_says_what_a_get_would_and_has_no_body(hub: Running, encoding: str) -> None:
    for path in ("/", "/docs", "/static/app.js", "/asyncapi.json"):
        got = await ask(hub, path, accept_encoding=encoding)
        head = await ask(hub, path, "HEAD", accept_encoding=encoding)
        assert (head.status_code, head.content) == (200, b"")
        assert {**got.headers, "date": ""} == {**head.headers, "date": ""}


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=9-1", "bytes=0-1,3-4", "lines=1"])
async def test_a_part_is_never_served(hub: Running, wanted: str) -> None:
    whole = await ask(hub, "/static/app.js")
    for encoding in CODINGS:
        answer = await ask(
            hub, "/static/app.js", accept_encoding=encoding, range=wanted, if_range=whole.headers["etag"]
        )
        assert (answer.status_code, answer.content) == (200, whole.content)
        assert "accept-ranges" not in answer.headers


async def test_answers_that_may_mix_secrets_with_what_was_sent_are_never_compressed(hub: Running) -> None:
    session = await hub.create(description="long enough to be worth it " * 40)
    for path in (API, f"{API}?q=worth", f"{API}/{session['id']}", "/metrics", "/nothing"):
        answer = await ask(hub, path, accept_encoding="gzip, br", **ANN)
        assert "content-encoding" not in answer.headers, path
    async with hub.http(**EXPERT) as http:
        answer = await http.get(f"{API}/{session['id']}/attendance.csv", headers={"accept-encoding": "gzip, br"})
        assert "content-encoding" not in answer.headers
    assert "content-encoding" in (await ask(hub, "/", accept_encoding="gzip")).headers  # control


@pytest.mark.parametrize(
    "path", ["/static/", "/static/none.js", "/static/app.js/", "/static/x/app.js", "/static/%2e%2e/LICENSE"]
)
async def test_what_is_no_file_is_not_found(hub: Running, path: str) -> None:
    assert (await ask(hub, path)).status_code == 404


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("favicon.svg", "image/svg+xml; charset=utf-8"),
        ("docs.html", "text/html; charset=utf-8"),
    ],
)
async def test_types_are_the_hub_s_own_and_not_the_machine_s(hub: Running, name: str, media_type: str) -> None:
    assert (await ask(hub, f"/static/{name}")).headers["content-type"] == media_type


async def test_only_what_has_a_type_is_served_and_all_of_the_page_has_one(tmp_path: Path) -> None:
    (tmp_path / "a.d.ts").write_text("export type A = 1;")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / "inner").mkdir()
    files = Files(tmp_path)
    assert files["a.d.ts"].form("identity").headers["content-type"] == "text/plain; charset=utf-8"
    with pytest.raises(KeyError):
        files["notes.txt"]
    assert {file.suffix for file in STATIC.iterdir() if file.is_file()} <= set(TYPES)


async def test_all_forms_are_the_same_in_every_process() -> None:
    keep.cache_clear()
    one = keep(b"text", "text/plain")
    keep.cache_clear()
    other = keep(b"text", "text/plain")
    assert one is not other
    for coding in CODINGS:
        assert one.form(coding) == other.form(coding)
        assert keep(b"texts", "text/plain").form(coding).tag != one.form(coding).tag
    assert gzip.decompress(one.form("gzip").content) == b"text"


async def test_nothing_is_compressed_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(content: bytes) -> bytes:
        raise AssertionError("a command that serves nothing would wait for this")

    monkeypatch.setattr("hub.web.files.CODINGS", dict.fromkeys(CODINGS, slow))
    keep.cache_clear()
    files = Files(STATIC)
    assert len(files.paths("/")) > 30
    with pytest.raises(AssertionError):  # control
        files["app.js"].form("br")
    keep.cache_clear()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ([], "identity"),
        ([""], "identity"),
        (["gzip"], "gzip"),
        (["GZip"], "gzip"),
        (["x-gzip"], "gzip"),
        (["*"], "br"),
        (["br, deflate"], "br"),
        (["BR"], "br"),
        (["br", "gzip"], "br"),
        (["gzip, deflate, br, zstd"], "br"),
        (["br;q=0.5, gzip"], "gzip"),
        (["br;q=0.5, gzip;q=0.4"], "br"),
        (["br;q=0, *"], "gzip"),
        (["br;q=0, gzip;q=0, *"], "identity"),
        (["gzip;q=0.5, *;q=0.6"], "br"),
        (["deflate;q=1.0, gzip;q=0.5"], "gzip"),
        (["gzip;q=0"], "identity"),
        (["gzip; Q=0.000"], "identity"),
        (["gzip;q=0, *"], "br"),
        (["*;q=0"], "identity"),
        (["*;q=0, gzip"], "gzip"),
        (["gzip;q=0.001"], "gzip"),
        (["gzip;q=0.5, identity"], "identity"),
        (["gzip;q=0.5, identity;q=0.4"], "gzip"),
        (["br;q=0.3, identity;q=0.4"], "identity"),
        (["identity;q=0, gzip"], "gzip"),
        (["gzip;q=high"], "identity"),
        (["br;q=2"], "identity"),
        (["gzipped"], "identity"),
        ([",,gzip,"], "gzip"),
    ],
)
async def test_who_gets_which_form(accepted: list[str], coding: str) -> None:
    assert chosen(accepted) == coding


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([], False),
        (['"a"'], True),
        (['W/"a"'], True),
        (['"b", "a"'], True),
        (['"b"', '"a"'], True),
        (["*"], True),
        (['"A"'], False),
        (["a"], False),
        (['"a-gzip"'], False),
    ],
)
async def test_which_tags_name_one(lines: list[str], named: bool) -> None:
    assert names(lines, '"a"') is named


async def test_a_document_that_many_ask_for_at_first_is_made_once() -> None:
    made = count(1)
    document = Made(lambda: str(next(made)).encode(), "application/json")
    request = Request({"type": "http", "headers": []})
    answers = await asyncio.gather(*(document.answer(request) for _ in range(50)))
    assert [answer.body for answer in answers] == [b"1"] * 50
