"""Searches, and paths of requests."""

from __future__ import annotations

from mailstack.mailbox.index.query import BadQuery, parse
from mailstack.net.zone import TYPES, read_record, record_text
from mailstack.sandbox.imap.gmail_query import GmailQueryError, parse_query
from mailstack.web.http_messages import parse_target
from tests.parsers.parser import Parser, text, unless


@unless(BadQuery)
def _query(octets: bytes) -> None:
    assert len(parse(text(octets), 1e9)) <= 50


@unless(GmailQueryError)
def _gmail_query(octets: bytes) -> None:
    parse_query(text(octets))


@unless(ValueError)
def _target(octets: bytes) -> None:
    target = parse_target(octets, "x.test", is_secure=True)
    assert target.path.startswith("/")
    assert len(target.segments) == target.path.count("/")
    assert target.host in target.authority
    assert all(isinstance(value, str) for value in target.pairs.values())


@unless(ValueError)
def _record(octets: bytes) -> None:
    """A parsed value is written in a form that parses again."""
    kind, _, value = text(octets).partition(" ")
    record = read_record(kind, value)
    again = record_text(record)
    assert again[0] in TYPES
    assert record_text(read_record(*again)) == again


_RECORDS = (
    b"MX 10 mx.elsewhere.test", b"MX 0 .", b"A 127.0.0.1", b"AAAA 2001:db8::1", b"AAAA ::%1", b"CNAME _a.b.test.",
    b"TXT v=spf1 -all", b"X y",
)  # fmt: skip
_QUERIES = (
    b'-from:a@b.test subject:"a b" !tag:x is:unread has:attachment larger:1.5M smaller:3K after:2d before:2026-01-01',
    b'message-id:<a@b> addressed:@b.test word "two words" other:thing -',
)
_GMAIL_QUERIES = (
    b'from:a OR -(subject:"a b" {to:c cc:d}) is:unread has:attachment larger:1M older_than:2d after:2026/01/01',
    b"in:anywhere label:x rfc822msgid:<a@b> filename:y size:3K before:2026-13-45 ( ( OR - :",
)
_TARGETS = (b"/v1/letters/%41%2f/parts/1?a=%2B&b", b"/%ff", b"", b"HTTP://[::1]:80?a=1", b"https://u@x.test/", b"*")

PARSERS = (
    Parser("query", ("mailbox.index.query",), _query, _QUERIES),
    Parser("gmail-query", ("sandbox.imap.gmail_query",), _gmail_query, _GMAIL_QUERIES),
    Parser("zone-record", ("net.zone",), _record, _RECORDS),
    Parser("request-target", ("web.http_messages",), _target, _TARGETS),
)
