"""Parsers of letters for display: any octets can be shown, and raise no exception."""

from __future__ import annotations

import json

from mailstack.letter.parsed import Limits, parse
from mailstack.web.checks.html import check
from mailstack.web.checks.html_features import features_of
from tests.letter.parsed.test_parsed_letter import LETTER
from tests.parsers.parser import Parser, text

_FEW = Limits(parts=20, fields=50, text=5000, people=20, links=20, snippet=80)


def _reading(octets: bytes) -> None:
    """A parsed letter fits into JSON, respects its limits, and refers to octets of the letter only."""
    letter = parse(octets, _FEW)
    parts = list(letter.tree.walk())
    assert 1 <= len(parts) <= _FEW.parts
    assert len({part.number for part in parts}) == len(parts)
    for part in parts:
        assert 0 <= part.head <= part.start <= part.end <= len(letter.octets)
        assert part.parts or len(letter.content_of(part)) == part.size
        assert letter.part(part.number) is part
        assert "/" not in part.name
    people = [*letter.authors, *letter.to, *letter.cc, *letter.bcc, *letter.reply_to]
    assert all(any((each.name, each.address)) for each in people)
    assert len(letter.to) <= _FEW.people
    assert len(letter.links) <= _FEW.links
    assert len(letter.snippet) <= _FEW.snippet
    assert "\n" not in letter.snippet
    said = [
        letter.headers, list(letter.fields), letter.subject, letter.text, letter.html, letter.readable, letter.snippet,
    ]  # fmt: skip
    said += [letter.codes, letter.trouble, letter.message_id, [(each.name, each.address) for each in people]]
    said += [
        [(each.name, each.type, each.charset, each.content_id) for each in parts],
        [each.url for each in letter.links],
    ]
    said += [letter.unsubscribe and (letter.unsubscribe.links, letter.unsubscribe.faults), str(letter.date)]
    shown = json.dumps(said, ensure_ascii=False)
    assert shown.encode("utf-8")  # which has no surrogates
    assert "\0" not in shown


def _features(octets: bytes) -> None:
    """Features of any HTML are counted, and the support by clients adds up."""
    html = text(octets)
    features = features_of(html)
    assert all(count > 0 for count in features.uses.values())
    checked = check(html)
    assert checked.total.nodes == features.elements
    assert round(checked.total.supported + checked.total.partial + checked.total.unsupported) in {100, 0}


PARSERS = (
    Parser(
        "html-features",
        ("letter.parsed.html", "web.checks.html_features", "web.checks.html", "web.checks.html_features"),
        _features,
        (
            b"<!doctype html><style>/* x */ @media (hover) { .a > b:hover::after, #c [d] { color: red !important } }</style>",
            b'<input type=radio><a href="#x"><img src="a.tiff?b" style="width: calc(1px + 2vw); --x: 1em; background: url(y)">',
            b"<style>a{b:'c",
        ),
    ),
    Parser(
        "letter.parsed",
        (
            "letter.charsets",
            "letter.header",
            "letter.address_lists",
            "letter.mime.fields",
            "letter.transfer_encoding",
            "letter.parsed.links",
            "letter.parsed.html",
            "letter.parsed.links",
            "letter.parsed.parsed_letter",
            "letter.parsed.mime_tree",
            "letter.parsed.links",
        ),
        _reading,
        (
            LETTER.replace(b"\n", b"\r\n").replace(
                b"MIME-V", b"List-Unsubscribe: <https://a.test/u>, <x:y>\r\nList-Unsubscribe-Post: a\r\nMIME-V", 1
            ),
            b"Subject: Your code is 123 456\nContent-Type: text/plain; charset=utf-7\n\nPIN: 1234 +2AA- http://a.test/(x)",
            b"Content-Type: text/html; charset*0*=utf-16''x; charset*1=y\r\n\r\n<p hidden>a<img src='x' alt=b>&#99;<pre> c",
            b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nA: b",
            b"no header at all",
            b'Date: Thu, 26 Nov 2026 22:41:22 +0100 (CET)\r\nTo: (a\\) "b\\" <c@d>, e f g@h; =?a?b?c?=\r\n',
        ),
    ),
)
