"""The documentation site: built from the checkout, served from its archive by `mailstack docs`, searched in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from zipfile import ZipFile

import pytest

from mailstack.cli.docs import page_handler
from tests.packaging import ROOT
from tests.test_project import COMMANDS

MAX_MB = 2
TIMEOUT_S = 300


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="pip install 'mailstack[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "packaging" / "site.py", folder / "site", folder / "site.zip"]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert built.returncode == 0, built.stdout + built.stderr
    with ZipFile(folder / "site.zip") as archive:
        yield archive


@pytest.fixture
def address(site):
    with ThreadingHTTPServer(("127.0.0.1", 0), page_handler(site)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join(TIMEOUT_S)


def test_the_archive_has_every_document_and_is_small(site):
    names = set(site.namelist())
    for page in ROOT.glob("docs/*/*.md"):
        assert f"{page.relative_to(ROOT).with_suffix('')}/index.html" in names, page
    assert sum(each.compress_size for each in site.infolist()) < MAX_MB * 1_000_000
    assert [name for name in names if name.endswith(".map")] == []


def test_the_files_that_pages_name_are_in_the_archive(site):
    names = set(site.namelist())
    page = site.read("docs/howto/web-inbox/index.html").decode()
    loaded = re.findall(r'(?:src|href)="?\.\./\.\./\.\./((?:assets|docs/images)/[^"\s>]+)', page)
    assert len(loaded) > 3
    assert set(loaded) <= names


def test_the_search_index_has_every_command_and_setting(site):
    index = json.loads(site.read("search/search_index.json"))
    text = " ".join(entry["title"] + " " + entry["text"] for entry in index["docs"])
    assert [path for path in COMMANDS if f"mailstack {' '.join(path)}" not in text] == []
    assert "MAILSTACK_RELAY__SCHEDULE__GIVE_UP_AFTER" in text


def test_a_browser_searches_and_changes_to_dark_colours(address):
    pytest.importorskip("playwright", reason="pip install 'mailstack[browser]'")
    from tests.browser.browsing import chromium

    with chromium() as (browser, _):
        page = browser.new_page(color_scheme="dark")
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{address}?q=greylisting")
        found = page.locator(".md-search-result__item a").first
        found.wait_for()
        assert found.get_attribute("href").startswith(address)
        page.goto(f"{address}docs/tutorial/")
        assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}docs/tutorial/")
        assert page.locator("body").get_attribute("data-md-color-scheme") == "default"
        page.locator("label[title='Use light colours']").click()
        page.locator("label[title='Use dark colours']").click()
        assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
        assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_grave_accessibility_fault(address, scheme):
    pytest.importorskip("playwright", reason="pip install 'mailstack[browser]'")
    from tests.browser.axe import findings
    from tests.browser.browsing import DESKTOP, PHONE, chromium, settle

    worst = {}
    with chromium() as (browser, _):
        page = browser.new_page(color_scheme=scheme, reduced_motion="reduce")
        for path in (
            "",
            "docs/tutorial/",
            "docs/howto/faults/",
            "docs/reference/settings/",
            "docs/explanation/queue/",
        ):
            for width, height in (PHONE, DESKTOP):
                page.set_viewport_size({"width": width, "height": height})
                if width == PHONE[0]:
                    assert page.goto(address + path).ok, path
                settle(page)
                if found := findings(page):
                    worst[f"{width} {path}"] = found
    assert worst == {}, "\n".join(sorted({line for found in worst.values() for line in found}))
