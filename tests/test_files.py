"""The page's files and the references: compressed for those who take it, each form with its own tag, never a part."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx2
import pytest

from hub.web.files import TYPES, Files, keep, names, takes_gzip
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
async def test_each_is_served_in_two_forms_that_hold_the_same(hub: Running, path: str) -> None:
    plain, zipped = await ask(hub, path), await ask(hub, path, accept_encoding="gzip, deflate, br")
    assert (plain.status_code, zipped.status_code) == (200, 200)
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"]) == len(plain.content)
    assert plain.headers["etag"] != zipped.headers["etag"]
    for answer in plain, zipped:
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "no-cache"
    assert plain.headers["content-type"] == zipped.headers["content-type"]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("path", ["/", "/static/app.js", "/openapi.json"])
async def test_what_one_has_already_is_not_sent_again_and_of_the_other_form_it_is(
    hub: Running, path: str, encoding: str
) -> None:
    first = await ask(hub, path, accept_encoding=encoding)
    tag, other = first.headers["etag"], "gzip" if encoding == "identity" else "identity"
    for given in (tag, f"W/{tag}", f'"old", {tag}', "*"):
        again = await ask(hub, path, accept_encoding=encoding, if_none_match=given)
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["vary"]) == (tag, "Accept-Encoding")
        assert "content-encoding" not in again.headers
    changed = await ask(hub, path, accept_encoding=other, if_none_match=tag)
    assert (changed.status_code, changed.content) == (200, first.content)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_head_says_what_a_get_would_and_has_no_body(hub: Running, encoding: str) -> None:
    for path in ("/", "/docs", "/static/app.js", "/asyncapi.json"):
        got = await ask(hub, path, accept_encoding=encoding)
        head = await ask(hub, path, "HEAD", accept_encoding=encoding)
        assert (head.status_code, head.content) == (200, b"")
        assert {**got.headers, "date": ""} == {**head.headers, "date": ""}


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=9-1", "bytes=0-1,3-4", "lines=1"])
async def test_a_part_is_never_served(hub: Running, wanted: str) -> None:
    whole = await ask(hub, "/static/app.js")
    for encoding in ("identity", "gzip"):
        answer = await ask(
            hub, "/static/app.js", accept_encoding=encoding, range=wanted, if_range=whole.headers["etag"]
        )
        assert (answer.status_code, answer.content) == (200, whole.content)
        assert answer.headers["accept-ranges"] == "none"


async def test_answers_that_may_mix_secrets_with_what_was_sent_are_never_compressed(hub: Running) -> None:
    session = await hub.create(description="long enough to be worth it " * 40)
    for path in (API, f"{API}?q=worth", f"{API}/{session['id']}", "/metrics", "/nothing"):
        answer = await ask(hub, path, accept_encoding="gzip", **ANN)
        assert "content-encoding" not in answer.headers, path
    async with hub.http(**EXPERT) as http:
        answer = await http.get(f"{API}/{session['id']}/attendance.csv", headers={"accept-encoding": "gzip"})
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
    assert files["a.d.ts"].plain.headers["content-type"] == "text/plain; charset=utf-8"
    with pytest.raises(KeyError):
        files["notes.txt"]
    assert {file.suffix for file in STATIC.iterdir() if file.is_file()} <= set(TYPES)


async def test_both_forms_are_the_same_in_every_process() -> None:
    keep.cache_clear()
    one = keep(b"text", "text/plain")
    keep.cache_clear()
    other = keep(b"text", "text/plain")
    assert one is not other
    assert one == other
    assert keep(b"texts", "text/plain").zipped.tag != one.zipped.tag
    assert gzip.decompress(one.zipped.content) == b"text"


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZip"], True),
        (["x-gzip"], True),
        (["*"], True),
        (["br, deflate"], False),
        (["br", "gzip"], True),
        (["deflate;q=1.0, gzip;q=0.5"], True),
        (["gzip;q=0"], False),
        (["gzip; Q=0.000"], False),
        (["gzip;q=0, *"], False),
        (["*;q=0"], False),
        (["*;q=0, gzip"], True),
        (["gzip;q=0.001"], True),
        (["gzip;q=0.5, identity"], False),
        (["gzip;q=0.5, identity;q=0.4"], True),
        (["identity;q=0, gzip"], True),
        (["gzip;q=high"], False),
        (["gzip;q=2"], False),
        (["gzipped"], False),
        ([",,gzip,"], True),
    ],
)
async def test_who_takes_gzip(accepted: list[str], taken: bool) -> None:
    assert takes_gzip(accepted) is taken


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
