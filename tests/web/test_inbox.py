"""Files of the inbox: complete, small, and without inline scripts."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import mailstack
from mailstack.web.client_files import inbox_routes
from mailstack.web.http_messages import Request, Response
from mailstack.web.site import Site
from tests.aid import run
from tests.browser import screenshots

PAGES = Path(mailstack.__file__).parent / "web" / "pages"
DOCUMENTS = Path(__file__).parents[2] / "docs"
SCRIPTS = sorted(PAGES.glob("*.js"))
MOST = 100_000
"""Octets of all scripts together, as they are sent."""


def get(path: str) -> Response:
    answer = run(Site(inbox_routes(), ["x.test"]).respond(Request("GET", path, "x.test")))
    assert isinstance(answer, Response)
    return answer


def test_every_file_that_a_page_names_is_there() -> None:
    index = (PAGES / "index.html").read_text()
    named = re.findall(r'(?:href|src)="(pages/[^"]+)"', index)
    assert len(named) > 15
    for name in named:
        assert get(f"/{name}").status == 200
    for script in SCRIPTS:
        for name in re.findall(r'(?:from|import\()\s*"\./([^"]+)"', script.read_text()):
            assert (PAGES / name).exists(), f"{script.name} imports {name}"


def test_every_file_is_used() -> None:
    texts = (PAGES / "index.html").read_text() + "".join(each.read_text() for each in SCRIPTS)
    for each in PAGES.iterdir():
        assert each.name == "index.html" or f"/{each.name}" in texts, each.name


def test_nothing_runs_but_files_and_nothing_comes_from_elsewhere() -> None:
    for path in ("/", "/pages/main.js"):
        policy = dict(get(path).headers)["Content-Security-Policy"]
        assert "'unsafe" not in policy
        assert "script-src 'self'" in policy
        assert "http" not in policy
    index = (PAGES / "index.html").read_text()
    assert not re.search(r"<script(?!( type=\"module\")? src=\"pages/)|\son[a-z]+=|style=|<style", index)
    for script in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script.read_text()), (
            script.name
        )  # fmt: skip


def test_links_are_relative_so_that_any_path_may_hold_the_pages() -> None:
    for each in (PAGES / "index.html", *SCRIPTS):
        assert not re.search(r'(?:href|src)="/|(?:get|post|put|patch|remove)\("/', each.read_text()), each.name


def test_the_scripts_are_small() -> None:
    assert sum(len(gzip.compress(each.read_bytes())) for each in SCRIPTS) < MOST


def test_each_script_says_its_duty_in_its_first_line() -> None:
    for each in SCRIPTS:
        first, *rest = each.read_text().split("\n")
        assert first.startswith("/** "), each.name
        assert first.endswith(". */"), each.name
        assert len(rest) < 400, each.name


def test_each_page_is_shown_in_the_documents() -> None:
    """And the pictures are small: `make screenshots` takes them."""
    named = re.findall(r"^    (\w+): (?:async )?\(\) =>", (PAGES / "main.js").read_text(), re.MULTILINE)
    shown = (DOCUMENTS / "reference" / "pages.md").read_text()
    assert len(named) >= 12
    for name in {*named, *screenshots.PAGES} - {"letters", "login"}:
        assert f"(../images/pages/{name}.webp)" in shown, name
    pictures = list((DOCUMENTS / "images").rglob("*.webp"))
    assert {each.stem for each in pictures} == {*screenshots.PAGES, "journey-live"}
    assert sum(each.stat().st_size for each in pictures) < 800_000
