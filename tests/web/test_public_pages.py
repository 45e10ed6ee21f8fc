"""Public HTML pages of a server: front page, set-up steps and codes."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest
import segno
from msgspec.structs import replace

from mailstack.config import Config
from mailstack.config.values import HostName
from mailstack.web.app import build_site
from mailstack.web.autoconfig.clients import GUIDES
from mailstack.web.client_files import PublicServerInfo
from mailstack.web.http_messages import Request, Response
from tests.aid import run
from tests.web.autoconfig.servers import server
from tests.web.public_pages import get, shown

ADDRESS = "alice@home.test"


class Page(HTMLParser):
    """Elements that are open, and the links."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "object")
        facts = dict(attrs)
        assert "style" not in facts
        self.links += [str(facts[name]) for name in ("href", "action") if name in facts]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def page(path: str, server: PublicServerInfo | None = None, **query: str) -> Page:
    answer = get(path, server=server, **query)
    assert answer.status == 200, answer.body
    found = Page(answer)
    assert found.open == []
    return found


def test_the_front_page_has_services_and_clients_and_fits_a_phone() -> None:
    front = page("/")
    for needed in ("mx.home.test", "465", "995", "STARTTLS", "Thunderbird", "requires authentication"):
        assert needed in front.words
    assert "Accounts" not in front.words
    assert b"width=device-width" in get("/").body
    assert b"light-dark(" in get("/style.css").body


def test_the_accounts_of_a_dev_environment_are_shown() -> None:
    front = page("/", shown(accounts=((ADDRESS, "secret-of-all"),)))
    assert "secret-of-all" in front.words


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_steps_are_those_of_the_command(guide: object) -> None:
    steps = page("/setup", client=guide.name, address=ADDRESS)  # type: ignore[attr-defined]
    for step in guide.steps(ADDRESS, shown().services):  # type: ignore[attr-defined]
        assert step.instruction in steps.words
        assert step.text in steps.words
        assert all(value in steps.words for _, value in step.values)
    for link in steps.links:
        assert ":" not in link, "to nowhere else"
        assert not link.startswith("/"), "below whatever path a proxy puts us"


def test_without_a_client_all_are_offered() -> None:
    choice = page("/setup", address="zoe@home.test")
    assert all(guide.title in choice.words for guide in GUIDES)
    assert b'value="zoe@home.test"' in get("/setup", address="zoe@home.test").body


@pytest.mark.parametrize(
    ("client", "path"),
    [("ios", "profile.mobileconfig?address=alice%40home.test"), ("k9", "setup?client=k9&address=alice%40home.test")],
)
def test_a_phone_s_camera_reads_where_to_go(client: str, path: str) -> None:
    query = {"client": client, "address": ADDRESS}
    ask = Request("GET", "/setup/code.svg", "192.0.2.1", query, authority="192.0.2.1:8025")
    answer = run(build_site(shown()).respond(ask))
    assert (answer.status, answer.media_type) == (200, "image/svg+xml")
    expected = segno.make(f"http://192.0.2.1:8025/{path}", error="m")
    assert answer.body.decode().strip() == expected.svg_inline(scale=5, border=4, light="#fff", omitsize=False).replace(
        "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1
    )
    assert b"code.svg" in get("/setup", host="192.0.2.1", client=client, address=ADDRESS).body


def test_without_segno_a_phone_gets_the_address_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    answer = get("/setup", host="192.0.2.1", client="ios", address=ADDRESS)
    assert b"code.svg" not in answer.body
    assert b"<code>http://192.0.2.1/profile.mobileconfig?address=alice%40home.test</code>" in answer.body
    assert b"pip install &#x27;mailstack[qr]&#x27;" in answer.body
    refused = get("/setup/code.svg", host="192.0.2.1", client="ios", address=ADDRESS)
    assert refused.status == 501
    assert b"pip install 'mailstack[qr]'" in refused.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_no_code_leads_to_a_machine_that_the_phone_is_not(host: str) -> None:
    answer = get("/setup", host=host, client="ios", address=ADDRESS)
    assert b"code.svg" not in answer.body
    assert b"--host" in answer.body


@pytest.mark.parametrize("query", [{"client": "mua"}, {"client": "k9"}, {"client": "k9", "address": "a@far.test"}])
def test_a_code_for_nothing_is_refused(query: dict[str, str]) -> None:
    assert get("/setup/code.svg", **query).status in (400, 404)


def test_what_a_client_sends_is_shown_as_text_only() -> None:
    hostile = "<b>x</b>&amp;@home.test"
    assert get("/setup", client="k9", address=hostile).status == 400
    assert get("/setup", client="<b>", address=ADDRESS).status == 404
    assert b"a&amp;b@home.test" in get("/setup", client="k9", address="a&b<@home.test".replace("<", "")).body
    odd = replace(shown(), accounts=(("<i>@home.test", "<script>"),))
    assert b"<script>" not in get("/", server=odd).body


def test_client_without_its_services_is_refused_with_a_reason() -> None:
    answer = get("/setup", server=shown(server("submissions")), client="k9", address=ADDRESS)
    assert answer.status == 400
    assert b"reading mail" in answer.body


def test_a_server_without_domains_still_has_a_front_page() -> None:
    config = Config(hostname=HostName("mx.home.test"))
    assert get("/", server=shown(config)).status == 200
    assert get("/mail/config-v1.1.xml", server=shown(config)).status == 404
