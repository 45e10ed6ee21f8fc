"""Input of people and programs: command line, files, autodiscover. Each gives a value or a refusal."""

from __future__ import annotations

import json

from mailstack.cli.argument_types import address, letter_id, parse_when, read_quota
from mailstack.cli.compose import header_addresses, with_crlf
from mailstack.cli.fault_fields import FIELDS, parse_rule
from mailstack.cli.output import CommandError
from mailstack.cli.send_run import parse_server
from mailstack.cli.user.import_command import parse
from mailstack.letter import Address, AddressError
from mailstack.letter.letter import new_letter_id
from mailstack.sandbox.arguments import parse_address
from mailstack.web import json_body
from mailstack.web.api.checks import parse_authentication_results
from mailstack.web.autoconfig.autoconfig import OUTLOOK_SCHEMA, BadAutodiscoverRequest, parse_autodiscover
from mailstack.web.http_messages import HttpError
from tests.parsers.parser import Parser, text, unless


@unless(CommandError)
def _authentication_field(octets: bytes) -> None:
    parse_authentication_results(octets.decode("utf-8", "replace"))


@unless(CommandError)
def _letter_id(octets: bytes) -> None:
    found = letter_id(text(octets))
    assert letter_id(f" {found.upper()}\n") == found
    assert len(found) == 15


@unless(CommandError)
def _server(octets: bytes) -> None:
    host, port = parse_server(text(octets), "starttls")
    assert host
    assert 0 < port < 65536


@unless(CommandError)
def _quota(octets: bytes) -> None:
    quota = read_quota(text(octets))
    assert quota is None or quota >= 0


@unless(ValueError, OverflowError, OSError)
def _since(octets: bytes) -> None:
    """The errors are those that `click` is told to expect."""
    parse_when(text(octets))


@unless(CommandError)
def _address(octets: bytes) -> None:
    found = address(text(octets), ["home.test"])
    assert Address.parse(str(found)) == found


@unless(CommandError)
def _users(octets: bytes) -> None:
    entries = list(parse(text(octets).splitlines(keepends=True), "users", ["home.test"]))
    assert len({entry.address for entry in entries}) == len(entries)
    assert all(entry.password for entry in entries)


@unless(BadAutodiscoverRequest)
def _autodiscover(octets: bytes) -> None:
    """No document costs more than its length, and none is believed that declares a DOCTYPE."""
    request = parse_autodiscover(octets)
    assert request.address
    assert request.schema
    assert b"<!DOCTYPE" not in octets


def _letter_file(octets: bytes) -> None:
    letter = with_crlf(octets)
    assert letter.count(b"\n") == letter.count(b"\r\n")
    assert all(header_addresses(letter, "To", "Cc", "From"))


@unless(HttpError)
def _json_body(octets: bytes) -> None:
    assert json_body.decode(octets, 100) == json.loads(octets)


@unless(CommandError)
def _fault_rule(octets: bytes) -> None:
    rule = parse_rule(text(octets).splitlines())
    assert rule["at"]
    assert set(rule) <= set(FIELDS)


@unless(AddressError)
def _test_address(octets: bytes) -> None:
    given = text(octets)
    found = parse_address(given, "home.test")
    assert found.domain == "home.test" or "@" in given


PARSERS = (
    Parser(
        "fault-rule",
        ("cli.fault_fields",),
        _fault_rule,
        (
            b'at=rcpt\nreply=452 full\ntimes=3\nwithout=["A"]',
            b"at=ehlo\nwithout=A,B\nprobability=.5",
            b"at=dns\nwithout=" + b"[" * 200,
        ),
    ),
    Parser("test-address", ("sandbox.arguments",), _test_address, (b"bob", b"bob@x.test")),
    Parser(
        "json-body",
        ("web.json_body",),
        _json_body,
        (b'{"to": ["a@b.test", "\\u00e9\\ud83d\\ude00\\n"], "n": [1, -2.5e3, true, null]}', b"[" * 40),
    ),
    Parser(
        "autodiscover-request",
        ("web.autoconfig.autoconfig",),
        _autodiscover,
        (
            f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="x"><Request><EMailAddress>a@b.test'
            f"</EMailAddress><AcceptableResponseSchema>{OUTLOOK_SCHEMA}</AcceptableResponseSchema></Request></Autodiscover>".encode(),
            b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        ),
    ),
    Parser(
        "authentication-field",
        ("web.api.checks",),
        _authentication_field,
        (b"mx.test; spf=pass smtp.mailfrom=a.test; dkim=fail (bad) header.d=b.test", b"mx.test; none", b"(;"),
    ),
    Parser("letter-id", ("cli.argument_types",), _letter_id, (new_letter_id(1.0).encode(), b" 0123456789ABCDE\n")),
    Parser("server-argument", ("cli.send_run",), _server, (b"mx.test", b"mx.test:25", b"[::1]:25", b"::1")),
    Parser("quota-argument", ("cli.argument_types", "config.syntax"), _quota, (b"none", b"default", b"500MiB", b"12")),
    Parser(
        "since-argument",
        ("cli.argument_types",),
        _since,
        (b"2h", b"2026-11-23", b"2026-11-23T21:00+01:00", b"0001-01-01"),
    ),
    Parser("address-argument", ("cli.argument_types",), _address, (b"bob", b"bob@x.test")),
    Parser("user-file", ("cli.user.import_command",), _users, (b"alice@home.test a b\n# x\n\nbob\tsecret\r\n", b"a\n")),
    Parser(
        "letter-file",
        ("cli.compose",),
        _letter_file,
        (b"From x\nTo: a@b, c <d@e>\r\nCc: (\n\nbody", b"To: =?utf-8?q?x?= <a@b.test>\n"),
    ),
)
