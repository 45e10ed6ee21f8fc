"""Pages of a server, without a network: contents, access and errors."""

from __future__ import annotations

import plistlib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mailstack.config import MtaStsSettings, WebSettings
from mailstack.config.values import HostName
from mailstack.web.app import build_site
from mailstack.web.autoconfig.records import policy_text
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response, segments_of, text_response
from mailstack.web.site import Site
from tests.aid import run
from tests.web.autoconfig.servers import server
from tests.web.autoconfig.test_client_files import ASK, BOMB, OUTLOOK_SCHEMA
from tests.web.public_pages import get, post, shown

ADDRESS = "alice@home.test"
MOBILE_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"


@pytest.mark.parametrize(
    "host",
    [
        "mx.home.test", "home.test", "autoconfig.other.test", "autodiscover.home.test", "mta-sts.home.test",
        "127.0.0.1", "::1", "192.0.2.1", "localhost", "a.localhost", "proxy.test",
    ],
)  # fmt: skip
def test_own_names_and_ip_addresses_are_served(host: str) -> None:
    config = server("mx", "submissions", "pop3s", web=WebSettings(hosts=(HostName("proxy.test"),)))
    assert get("/", host=host, server=shown(config)).status == 200


@pytest.mark.parametrize(
    "host", ["", "evil.test", "home.test.evil.test", "mx.home.test.", "xhome.test", "127.0.0.1.evil.test"]
)
def test_unknown_host_name_is_refused(host: str) -> None:
    """DNS rebinding: a page that has its name lead to us is not answered to (RFC 9110 §15.5.20)."""
    answer = get("/", host=host, server=shown(accounts=((ADDRESS, "alice"),)))
    assert answer.status == 421
    assert b"alice" not in answer.body


@pytest.mark.parametrize("path", ["/nothing", "", "//", "/../etc/passwd", "/style.css/", "/setup/ios"])
def test_there_is_nothing_elsewhere(path: str) -> None:
    assert get(path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/", "GET, HEAD, OPTIONS"), ("GET", "/autodiscover/autodiscover.xml", "POST, OPTIONS")],
)
def test_other_methods_are_not_taken(method: str, path: str, allowed: str) -> None:
    """RFC 9110 §15.5.6"""
    answer = run(build_site(shown()).respond(Request(method, path, "localhost")))
    assert answer.status == 405
    assert dict(answer.headers)["Allow"] == allowed


def test_every_answer_is_guarded() -> None:
    for answer in (get("/"), get("/nothing"), get("/", host="evil.test"), post("/autodiscover/autodiscover.xml", "")):
        headers = dict(answer.headers)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-DNS-Prefetch-Control"] == "off"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "script" not in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


def test_bug_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: Request) -> Response:
        raise RuntimeError("secret")

    answer = run(Site([HttpRoute("GET", "/", broken)], ["x.test"]).respond(Request("GET", "/", "x.test")))
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "secret" in caplog.text


@pytest.mark.parametrize("path", ["/mail/config-v1.1.xml", "/profile.mobileconfig", "/setup"])
def test_every_local_part_of_a_domain_is_answered_alike(path: str) -> None:
    """AC-05: nobody learns which addresses exist; no account is ever looked at."""
    answers = set()
    for local in ("alice", "nobody"):
        address = f"{local}@home.test"
        answer = get(path, emailaddress=address, address=address, client="k9")
        answers.add((answer.status, answer.body.replace(local.encode(), b"?").replace(b"%40", b"@")[:200]))
    assert len(answers) == 1


def test_foreign_domain_has_no_files() -> None:
    assert get("/mail/config-v1.1.xml", emailaddress="a@far.test").status == 404
    assert get("/profile.mobileconfig", address="a@far.test").status == 404
    answer = post("/autodiscover/autodiscover.xml", ASK.format(address="a@far.test", schema=OUTLOOK_SCHEMA))
    assert b"<ErrorCode>500<" in answer.body


@pytest.mark.parametrize("path", ["/mail/config-v1.1.xml", "/profile.mobileconfig", "/setup"])
def test_what_is_no_address_is_refused(path: str) -> None:
    assert get(path, emailaddress="a@b@c", address="a@b@c", client="k9").status == 400


@pytest.mark.parametrize(
    ("host", "query", "domain"),
    [
        ("autoconfig.home.test", {"emailaddress": "zoe@home.test"}, "home.test"),
        ("autoconfig.home.test", {"emailaddress": "zoe@OTHER.test"}, "other.test"),
        ("autoconfig.other.test", {}, "other.test"),
        ("autoconfig.home.test", {"emailaddress": "other.test"}, "other.test"),
        ("home.test", {"emailaddress": ""}, "home.test"),
        ("127.0.0.1", {}, "home.test"),
    ],
)
@pytest.mark.parametrize("path", ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"])
def test_thunderbird_finds_the_file_of_its_domain(path: str, host: str, query: dict[str, str], domain: str) -> None:
    """AC-02: with the address, or without it as some clients ask."""
    answer = get(path, host=host, **query)
    assert (answer.status, answer.media_type) == (200, "text/xml; charset=utf-8")
    assert ET.fromstring(answer.body).findtext("emailProvider/domain") == domain


@pytest.mark.parametrize(
    "path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"]
)
def test_outlook_finds_its_settings_however_it_writes_the_path(path: str) -> None:
    """AC-03"""
    answer = post(path, ASK.format(address=ADDRESS, schema=OUTLOOK_SCHEMA))
    assert answer.status == 200
    assert f"<LoginName>{ADDRESS}</LoginName>".encode() in answer.body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BOMB, 600),
        ("", 600),
        (ASK.format(address="a@b@c", schema=OUTLOOK_SCHEMA), 600),
        (ASK.format(address=ADDRESS, schema=MOBILE_SCHEMA), 601),
    ],
)
def test_autodiscover_error_has_outlooks_format(body: str, code: int) -> None:
    """AC-03"""
    answer = post("/autodiscover/autodiscover.xml", body)
    assert answer.status == 200
    assert f"<ErrorCode>{code}</ErrorCode>".encode() in answer.body


def test_apples_profile_is_signed_where_there_is_a_key() -> None:
    """AC-04"""

    async def sign(profile: bytes) -> bytes:
        return b"signed " + profile

    plain = get("/profile.mobileconfig", address=ADDRESS)
    assert plain.media_type == "application/x-apple-aspen-config"
    assert plistlib.loads(plain.body)["PayloadDisplayName"] == ADDRESS
    signed = get("/profile.mobileconfig", server=shown(sign=sign), address=ADDRESS)
    assert signed.body == b"signed " + plain.body
    assert get("/profile.mobileconfig", server=shown(server("pop3s")), address=ADDRESS).status == 404


def test_the_policy_is_under_its_own_name_only() -> None:
    """AC-06: RFC 8461 §3.3"""
    config = server("mx", "pop3s", mta_sts=MtaStsSettings(mode="enforce"))
    answer = get("/.well-known/mta-sts.txt", host="mta-sts.home.test", server=shown(config))
    assert answer.media_type.startswith("text/plain")
    assert answer.body.decode() == policy_text(config)
    for host in ("home.test", "mx.home.test", "mta-sts.far.test"):
        assert get("/.well-known/mta-sts.txt", host=host).status in (404, 421)


def test_the_servers_own_ca_can_be_fetched(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with_ca = shown(ca_file=file)
    assert get("/ca.pem", server=with_ca).status == 404
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    assert get("/ca.pem", server=with_ca).body == file.read_bytes()
    assert b'href="ca.pem"' in get("/", server=with_ca).body
    assert get("/ca.pem").status == 404


def test_http_error_has_its_status_and_reason() -> None:
    async def page_of_trouble(_: Request) -> Response:
        raise HttpError(410, "It is gone.")

    answer = run(Site([HttpRoute("GET", "/", page_of_trouble)], ["x.test"]).respond(Request("GET", "/", "x.test")))
    assert (answer.status, answer.body) == (410, b"It is gone.\n")


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        ("/team/mail/", 200, "/"),
        ("/team/mail/v1/things", 200, "/v1/things"),
        ("/team/mail", 308, ""),
        ("/", 404, None),
        ("/v1/things", 404, None),
        ("/team/mailbox/", 404, None),
        ("/team%2Fmail/", 404, None),
        ("/team/mail/team/mail/", 404, None),
    ],
)
def test_all_routes_stand_below_the_root(path: str, status: int, answer: str | None) -> None:
    async def page(ask: Request) -> Response:
        return text_response(ask.path)

    site = Site([HttpRoute("GET", "/", page), HttpRoute("GET", "/v1/things", page)], (), root="/team/mail/")
    found = run(site.respond(Request("GET", path, "localhost", parts=segments_of(path))))
    assert isinstance(found, Response)
    assert found.status == status
    assert answer is None or found.body == (answer + "\n" if answer else "").encode()
    assert dict(found.headers)["X-Content-Type-Options"] == "nosniff"
