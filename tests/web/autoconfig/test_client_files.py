"""Configuration files of clients: golden files, and properties of parsed files."""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailstack.web.autoconfig.autoconfig import (
    INVALID,
    OUTLOOK_SCHEMA,
    AutodiscoverRequest,
    BadAutodiscoverRequest,
    autoconfig,
    error_response,
    mobileconfig,
    parse_autodiscover,
    settings_response,
)
from mailstack.web.autoconfig.guide import CannotSetUp, ClientServices, services_from_config
from tests.web.autoconfig.servers import ALL, usual
from tests.web.autoconfig.servers import server as mail_server

GOLDEN = Path(__file__).parent / "golden"
ADDRESS = "alice@home.test"
NOON = 1_764_072_000.0

OUTLOOK = {"a": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"}


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("autoconfig.xml", lambda: autoconfig("home.test", usual())),
        ("autodiscover.xml", lambda: settings_response(ADDRESS, usual())),
        ("autodiscover-invalid.xml", lambda: error_response(INVALID, NOON)),
        ("alice.mobileconfig", lambda: mobileconfig(ADDRESS, "mx.home.test", usual())),
    ],
)
def test_each_file_is_as_it_was(name: str, made: Callable[[], bytes]) -> None:
    """AC-02, AC-03, AC-04: clients of many years read these; a change must be meant."""
    assert made().decode() == (GOLDEN / name).read_text()


def servers(tree: ET.Element) -> list[tuple[str | None, ...]]:
    provider = tree.find("emailProvider")
    assert provider is not None
    found = [each for each in provider if each.tag in ("incomingServer", "outgoingServer")]
    fields = ("hostname", "port", "socketType")
    return [(each.get("type"), *map(each.findtext, fields)) for each in found]


@pytest.mark.parametrize(
    "services",
    [usual(), services_from_config(mail_server(*ALL)), services_from_config(mail_server("submission", "pop3"))],
)
def test_autoconfig_names_every_service_and_no_other(services: ClientServices) -> None:
    """AC-02"""
    tree = ET.fromstring(autoconfig("home.test", services))
    words = {"TLS": "SSL", "STARTTLS": "STARTTLS"}
    wanted = [(each.protocol, each.host, str(each.port), words[each.security.value]) for each in services.all]
    assert sorted(servers(tree), key=str) == sorted(wanted, key=str)


def test_autoconfig_has_every_field_that_mozillas_format_asks_for() -> None:
    """AC-02: version, id, domain, names; of each server type, host, port, socket, user, authentication."""
    tree = ET.fromstring(autoconfig("home.test", usual()))
    assert (tree.tag, tree.get("version")) == ("clientConfig", "1.1")
    (provider,) = tree
    assert (provider.tag, provider.get("id")) == ("emailProvider", "home.test")
    assert provider.findtext("domain") == "home.test"
    assert provider.findtext("displayName")
    assert provider.findtext("displayShortName")
    kinds = [(each.tag, each.get("type")) for each in provider if each.get("type")]
    assert kinds == [("incomingServer", "pop3")] * 2 + [("outgoingServer", "smtp")] * 2
    for server in provider.iter():
        if server.get("type"):
            assert [each.tag for each in server] == ["hostname", "port", "socketType", "username", "authentication"]
            assert server.findtext("username") == "%EMAILADDRESS%"
            assert server.findtext("authentication") == "password-cleartext"


# --- Outlook

ASK = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
    "<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema>"
    "</Request></Autodiscover>"
)


def test_request_of_outlook_is_parsed() -> None:
    """AC-03"""
    asked = ASK.format(address=ADDRESS, schema=OUTLOOK_SCHEMA).encode()
    assert parse_autodiscover(asked) == AutodiscoverRequest(ADDRESS, OUTLOOK_SCHEMA)
    bare = b"<Autodiscover><Request><EMailAddress> a@b.test\n</EMailAddress></Request></Autodiscover>"
    assert parse_autodiscover(bare) == AutodiscoverRequest("a@b.test", OUTLOOK_SCHEMA)


def test_response_has_each_service_for_outlook() -> None:
    """AC-03: SSL on, SPA off, AuthRequired on, the login is the address."""
    tree = ET.fromstring(settings_response("x<&@home.test", services_from_config(mail_server(*ALL))))
    found = tree.findall(".//a:Protocol", OUTLOOK)
    assert [each.findtext("a:Type", None, OUTLOOK) for each in found] == ["IMAP"] * 2 + ["POP3"] * 2 + ["SMTP"] * 2
    assert [each.findtext("a:Port", None, OUTLOOK) for each in found] == ["993", "143", "995", "110", "465", "587"]
    assert [each.findtext("a:Encryption", None, OUTLOOK) for each in found] == ["SSL", "TLS"] * 3
    for each in found:
        facts = {part.tag.rpartition("}")[2]: part.text for part in each}
        assert facts["LoginName"] == "x<&@home.test"
        assert (facts["SSL"], facts["SPA"], facts["AuthRequired"]) == ("on", "off", "on")
        assert facts["Server"] == "mx.home.test"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<Autodiscover><Request><EMailAddress>&b;@home.test</EMailAddress></Request></Autodiscover>"
)
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Autodiscover/>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "DOCTYPE"),
        (OUTSIDE, "DOCTYPE"),
        ("", "not XML"),
        ("<Autodiscover>", "not XML"),
        ("<Autodiscover/>", "no EMailAddress"),
        ("<x><Request><EMailAddress>a@b.test</EMailAddress></Request></x>", "no EMailAddress"),
        ("<Autodiscover><Request><EMailAddress>&amp;undefined;&x;</EMailAddress></Request></Autodiscover>", "not XML"),
        ("<a>" * 100 + "</a>" * 100, "deep"),
        (ASK.format(address="a" * 2000, schema=""), "too long"),
        (ASK.format(address="a@b.test</EMailAddress><EMailAddress>c@d.test", schema=""), "more than one"),
        ('<?xml version="1.0" encoding="idna"?><Autodiscover/>', "no EMailAddress"),
    ],
)
def test_a_hostile_request_is_refused_unread(text: str, reason: str) -> None:
    """AC-03: no entity is ever expanded, no file opened."""
    with pytest.raises(BadAutodiscoverRequest, match=reason):
        parse_autodiscover(text.encode())


@given(
    st.binary(max_size=400)
    | st.text(max_size=200).map(lambda text: ASK.format(address=text, schema=text).encode("utf-8", "surrogatepass"))
)
@example(ASK.format(address="a]]>b", schema="").encode())
@example(b"\xff\xfe<\0a\0/\0>\0")
def test_any_octets_are_a_request_or_a_bad_one(octets: bytes) -> None:
    """AC-03"""
    try:
        request = parse_autodiscover(octets)
    except BadAutodiscoverRequest:
        return
    assert 0 < len(request.address) <= 1000


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60))
def test_whatever_an_address_has_in_it_stays_text(local: str) -> None:
    """Nothing of an address becomes markup. (XML knows no way to write U+FFFE and U+FFFF.)"""
    if "\ufffe" in local or "\uffff" in local:
        return
    tree = ET.fromstring(settings_response(f"{local}@home.test", usual()))
    assert tree.findtext(".//a:DisplayName", None, OUTLOOK) == f"{local}@home.test"


def test_the_profile_has_both_servers_and_no_password() -> None:
    """AC-04, AC-05"""
    profile = plistlib.loads(mobileconfig(ADDRESS, "mx.home.test", usual()))
    (account,) = profile["PayloadContent"]
    assert profile["PayloadType"] == "Configuration"
    assert account["PayloadType"] == "com.apple.mail.managed"
    assert account["EmailAccountType"] == "EmailTypePOP"
    assert (account["IncomingMailServerHostName"], account["IncomingMailServerPortNumber"]) == ("mx.home.test", 995)
    assert (account["OutgoingMailServerHostName"], account["OutgoingMailServerPortNumber"]) == ("mx.home.test", 465)
    for side in ("Incoming", "Outgoing"):
        assert account[f"{side}MailServerAuthentication"] == "EmailAuthPassword"
        assert account[f"{side}MailServerUseSSL"] is True
        assert account[f"{side}MailServerUsername"] == ADDRESS
        assert f"{side}Password" not in account


def test_a_profile_is_the_same_each_time_and_another_for_another_account() -> None:
    """AC-04: fixed UUIDs, so that a new profile takes the old one's place."""
    first = plistlib.loads(mobileconfig(ADDRESS, "mx.home.test", usual()))
    again = plistlib.loads(mobileconfig(ADDRESS, "mx.home.test", services_from_config(mail_server(*ALL))))
    other = plistlib.loads(mobileconfig("bob@home.test", "mx.home.test", usual()))
    uuids = [(each["PayloadUUID"], each["PayloadContent"][0]["PayloadUUID"]) for each in (first, again, other)]
    assert uuids[0] == uuids[1]
    assert len({*uuids[0], *uuids[2]}) == 4
    assert again["PayloadContent"][0]["EmailAccountType"] == "EmailTypeIMAP"


def test_a_server_that_cannot_be_read_from_has_no_profile() -> None:
    with pytest.raises(CannotSetUp):
        mobileconfig(ADDRESS, "mx.home.test", services_from_config(mail_server("submission")))
