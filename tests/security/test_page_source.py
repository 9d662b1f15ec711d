"""The page's source has nothing that its policy would have to stop: no inline code, no markup made from text (C1)."""

from __future__ import annotations

import re

import pytest

from hub.web.pages import STATIC

MARKUP_FROM_TEXT = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", r"document\.write", "createContextualFragment", "parseFromString",
    "setHTML", "srcdoc",
)  # fmt: skip
FORBIDDEN = {
    "a style in markup": r"<[^>]*\sstyle\s*=",
    "a style set as text": r"""setAttribute\(\s*["'`]style|\bel\([^{)]*\{[^}]*\bstyle\s*:|cssText""",
    "a listener in markup": r"<[^>]*\son[a-z]+\s*=",
    "a script in the page": r"<script(?![^>]*\bsrc=)[^>]*>",
    "a style sheet in the page": r"<style\b",
    "a script URL": r"javascript:",
    "markup from text": "|".join(MARKUP_FROM_TEXT),
    "code from text": r"""\beval\b|new Function|set(?:Timeout|Interval)\(\s*["'`]|\bimport\((?!"\./[a-z-]+\.js"\))""",
    "something from elsewhere": r"""(?:src|href|from|import|url\()\s*=?\s*["'(]?\s*(?:https?:)?//""",
}
"""What a source of the page must not have."""

SAMPLES = (
    '<p style="color: red">',
    'node.setAttribute("style", x)',
    'el("p", { style: "a" })',
    '<a onclick="x()">',
    "<script>1</script>",
    "<style>p{}</style>",
    "<a href='javascript:x'>",
    "node.innerHTML = x",
    "document.write(x)",
    "eval(x)",
    "new Function(x)",
    'setTimeout("x()", 1)',
    '<script src="https://cdn.example/x.js"></script>',
    'import x from "//cdn.example/x.js"',
    "import(x)",
    'import("//cdn.example/x.js")',
    'import("./x.js?" + y)',
)


def forbidden(source: str) -> list[str]:
    """What a source has of them, but for lines of comment, which may name them."""
    code = re.sub(r"^\s*(?://|/?\*).*$", "", source, flags=re.MULTILINE)
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, code)]


def test_c1_the_page_is_made_without_inline_code_and_without_markup_from_text() -> None:
    files = [file for file in STATIC.iterdir() if file.suffix in (".js", ".html", ".css", ".svg")]

    assert len(files) > 10
    assert {file.name: found for file in files if (found := forbidden(file.read_text()))} == {}


@pytest.mark.parametrize("sample", SAMPLES)
def test_control_each_of_these_would_be_found(sample: str) -> None:
    assert forbidden(sample)
