"""Hostile letters of 2 MB: each parse and check takes under 200 ms of processor time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO

import pytest

from mailstack.letter.parsed import ParsedLetter, parse
from mailstack.sandbox.compat.mailpit.message import thumbnail
from mailstack.web.api import serialize
from mailstack.web.api.checks import parse_authentication_results
from mailstack.web.checks import html as html_check
from mailstack.web.safe_html import html_of
from tests.processor_time import processor_time

MOST = 0.2
"""Seconds of the processor."""
SIZE = 2_000_000
"""Octets of each letter: together more than a gigabyte, so each is made by its test."""


def full(unit: bytes, size: int = SIZE) -> bytes:
    return unit * (size // len(unit))


def of_html(body: bytes) -> bytes:
    return b"Subject: x\r\nContent-Type: text/html\r\n\r\n" + body


def within(before: bytes, unit: bytes, after: bytes = b"") -> bytes:
    return before + full(unit) + after


def html_within(before: bytes, unit: bytes, after: bytes = b"") -> bytes:
    return of_html(within(before, unit, after))


def in_parts(kind: bytes = b"mixed") -> bytes:
    return b"Content-Type: multipart/%b; boundary=B\r\n\r\n" % kind


HTML = {
    unit: partial(html_within, b"", unit)
    for unit in (
        b"<", b"&", b"x", b" ", b"x ", b"\n", b"<a>", b"<p>", b"<div>", b"<br>", b"<li>", b"<pre>", b"<table><tr><td>", b"<A HREF=X>",
        b"<a ", b"<a href=", b"<a b='", b"<!--", b"<!---->", b"<!x>", b"<p hidden>", b"<img alt=a>", b"<img src=a.png>",
        b"<p style='a:b'>", b"<a href=http://a.b>", b"<input type=x>", b"<style>", b"<style></style>", b"<style", b"</styl", b"<script>",
        b"<script></script>", b"<title></title>", b"&amp;", b"&#1;", b"&#99999999999", b"<a href='&amp;'>", b"http://", b"http://a ",
        b"mailto:", b"<iframe ", b"<meta ", b"<link ", b"<meta charset=", b"<div class='a b' style='color:red'><a href='http://x.test/?a=1'>hi</a></div>",
    )
}  # fmt: skip
WITHIN_A_TAG = {
    unit: partial(html_within, b"<a ", unit, b">x")
    for unit in (b"a=1 ", b"a ", b"'", b"=", b"/", b"a='b' ", b"href=http://x ")
}
CSS = (
    b"{", b"}", b"{}", b"a{}", b"a{", b";", b":", b"a:", b"aa:b;", b"::aaa", b":aaa", b"--aa:b;", b"@media{", b"@media hover{", b"@", b"@import",
    b"@font-face{}", b"/*", b"/**/", b'"', b"'", b'"\n', b"'a", b"url(", b"url()", b"a>b", b",", b".a .b{}", b" ", b"\n", b"\\", b"aa:1px 2em 3%;",
    b"1", b"1.", b"1px ", b"aa:calc(", b"min(", b"aa:initial;", b"margin-top:1px;", b"display:flex;", b"display: ", b"aa:b!important;", b"aa:b,",
    b"a.b#c[d]:hover::after>e+f~g *{}", b"[", b"] ", b"a b{}", b") ", b"-", b"--a", b"a", b"a-", b"&amp;", b"aa  :", b"a{color:red}",
)  # fmt: skip
SHEETS = {unit: partial(html_within, b"<style>", unit, b"</style>") for unit in CSS}
DIFFERENT = {
    "selectors": lambda: of_html(b"<style>" + b"".join(b"a%d b{}" % number for number in range(200_000))),
    "declarations": lambda: of_html(b"<style>" + b"".join(b"a{aa:%dpx}" % number for number in range(180_000))),
    "styles": lambda: of_html(b"".join(b"<p style='a:%dpx'>" % number for number in range(90_000))),
    "tags": lambda: of_html(b"".join(b"<t%d>" % number for number in range(220_000))),
    "attributes": lambda: of_html(b"<p " + b" ".join(b"a%d=1" % number for number in range(200_000)) + b">"),
}
ATTRIBUTES = {unit: partial(html_within, b'<p style="', unit.replace(b'"', b"'"), b'">') for unit in CSS}
TEXTS = {
    unit: partial(within, b"Subject: code 123456\r\n\r\n", unit)
    for unit in (
        b"code 123456 ", b"A1", b"1", b"code: ", b"a@b ", b"a", b"@", b"http://x ", b"http://", b"mailto:a@b ", b"- ", b".", "é ".encode(),
        b"order number code ", b"\xff", b"a\xff", "\u200b".encode(), "验证码".encode(), b"code\n123456\n", b"code " + b" " * 115 + b"123456 ",
        b"http://x/" + b"(" * 3000, b"http://x/" + b")" * 3000 + b" ", b"\r\n", b"-----\r\n", b"> ",
    )
}  # fmt: skip
CHARSETS = {
    f"{charset.decode()} {unit!r}": partial(within, b"Content-Type: text/plain; charset=%b\r\n\r\n" % charset, unit)
    for charset in (
        b"utf-7", b"gb18030", b"iso-2022-jp", b"iso-2022-kr", b"hz", b"big5", b"shift_jis", b"euc-kr", b"utf-16", b"utf-32", b"koi8-r",
        b"windows-1252", b"euc-jp", b"iso-2022-jp-2004", b"johab", b"cp037", b"tis-620",
    )
    for unit in (b"~{", b"\x1b$B", b"\xff", b"+", b"+AAA-", bytes(range(256)), b"\x81\x30", b"\x00\xd8")
}  # fmt: skip
HEADERS = {
    "fields": lambda: full(b"X: y\r\n") + b"\r\nhi",
    "stray lines": lambda: b"A: b\r\n" + full(b"no field\r\n") + b"\r\nhi",
    "lines of one field": lambda: b"Subject: x\r\n" + full(b" a\r\n") + b"\r\nhi",
    "lines of To": lambda: b"To: x\r\n" + full(b" a@b,\r\n") + b"\r\nhi",
    "To": lambda: b"To: " + full(b"a@b,") + b"\r\nhi",
    "To fields": lambda: full(b"To: a@b\r\n") + b"\r\nhi",
    "empty To fields": lambda: full(b"To: ,\r\n") + b"\r\nhi",
    "From (": lambda: b"From: " + full(b"(") + b"\r\nhi",
    "From <": lambda: b"From: " + full(b"<") + b"\r\nhi",
    'From "': lambda: b"From: " + full(b'"') + b"\r\nhi",
    "From \\": lambda: b"From: " + full(b"\\") + b"\r\nhi",
    "From @": lambda: b"From: " + full(b"a@ ") + b"\r\nhi",
    "From fields": lambda: full(b"From: " + b"a " * 1000 + b"\r\n") + b"\r\nhi",
    "long To fields (": lambda: full(b"To: " + b"(" * 60_000 + b"\r\n") + b"\r\nhi",
    "long To fields @": lambda: full(b"To: " + b"a@ " * 20_000 + b"\r\n") + b"\r\nhi",
    "names in encoded words": lambda: full(b"To: " + b"=?utf-8?q?a?= <a@b>," * 3000 + b"\r\n") + b"\r\nhi",
    "encoded words": lambda: full(b"Subject: " + b"=?utf-8?q?a?= " * 4600 + b"\r\n") + b"\r\nhi",
    "encoded words in base64": lambda: full(b"X: " + b"=?utf-8?b?YQ==?= " * 3800 + b"\r\n") + b"\r\nhi",
    "encoded words of two charsets": lambda: (
        full(b"X: " + b"=?utf-8?q?a?= =?latin1?q?a?= " * 2000 + b"\r\n") + b"\r\nhi"
    ),
    "encoded words in UTF-7": lambda: full(b"X: " + b"=?utf-7?q?+AAA-?= " * 3500 + b"\r\n") + b"\r\nhi",
    "encoded words begun": lambda: full(b"X: " + b"=?" * 32_000 + b"\r\n") + b"\r\nhi",
    "encoded words begun with a charset": lambda: full(b"X: " + b"=?a?q?" * 12_000 + b"\r\n") + b"\r\nhi",
    "a long charset": lambda: full(b"X: =?" + b"a" * 65_000 + b"\r\n") + b"\r\nhi",
    "lines of LF": lambda: full(b"X: y\n") + b"\r\nhi",
    "lines of CR": lambda: full(b"X: y\r") + b"\r\nhi",
    "Authentication-Results": lambda: full(b"Authentication-Results: x; " + b"a=b;" * 16_000 + b"\r\n") + b"\r\nhi",
    "comments": lambda: full(b"Authentication-Results: " + b"()" * 32_000 + b"\r\n") + b"\r\nhi",
    "comments begun": lambda: full(b"Authentication-Results: " + b"(" * 65_000 + b"\r\n") + b"\r\nhi",
    "blanks": lambda: full(b"Authentication-Results: ;" + b" " * 65_000 + b"\r\n") + b"\r\nhi",
    "List-Unsubscribe <": lambda: b"List-Unsubscribe: " + full(b"<") + b"\r\n" + b"\r\nhi",
    "List-Unsubscribe <a>": lambda: b"List-Unsubscribe: " + b"<a>" * 21_000 + b"\r\n" + b"\r\nhi",
    "List-Unsubscribe (": lambda: b"List-Unsubscribe: " + b"(" * 65_000 + b"\r\n" + b"\r\nhi",
    "dates": lambda: full(b"Date: " + b"1" * 60_000 + b"\r\n") + b"\r\nhi",
    "Received": lambda: full(b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n") + b"\r\nhi",
}
NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(30))
DISPOSED = b"--B\r\nContent-Disposition: attachment; filename=" + b"x/" * 30_000 + b"\r\n\r\nx\r\n"
PARTS = {
    "multiparts within each other": lambda: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(30_000)
    ),
    "text within many": lambda: NESTED + full(b"\xff"),
    "delimiters of many": lambda: NESTED + full(b"--b0\r\n--b1\r\n--b29\r\n"),
    "parts": lambda: in_parts() + full(b"--B\r\n\r\n"),
    "parts of HTML": lambda: in_parts() + full(b"--B\r\nContent-Type: text/html\r\n\r\nx\r\n"),
    "HTML in parts": lambda: in_parts() + (b"--B\r\nContent-Type: text/html\r\n\r\n" + b"<p>" * 700 + b"\r\n") * 900,
    "almost boundaries": lambda: in_parts() + b"--B\r\n\r\n" + full(b"--Bx\r\n"),
    "hyphens": lambda: (
        b"Content-Type: multipart/mixed; boundary=" + b"-" * 70 + b"\r\n\r\n" + full(b"-" * 75 + b"\r\n")
    ),
    "letters within each other": lambda: full(b"Content-Type: message/rfc822\r\n\r\n"),
    "names": lambda: in_parts() + DISPOSED * 30,
    "pictures": lambda: (
        in_parts(b"related")
        + b"".join(b"--B\r\nContent-Id: <a%d>\r\nContent-Type: image/png\r\n\r\nx\r\n" % n for n in range(900))
        + b"--B\r\nContent-Type: text/html\r\n\r\n"
        + full(b"<img src='cid:a1'>", 1_900_000)
    ),
}


def of_parameters(unit: bytes) -> bytes:
    return in_parts() + (b"--B\r\nContent-Type: text/plain" + full(unit, 65_000) + b"\r\n\r\nx\r\n") * 30


PARAMETERS = {
    f"parameters {unit!r}": partial(of_parameters, unit)
    for unit in (b"; a*0=b", b";", b"; ", b" ", b";a ", b';a="', b";a=\\", b";a*=utf-8''%41", b";name*0*=utf-7''+AAA-", b";a*999*=%41")
}  # fmt: skip
ENCODED = {
    f"{encoding.decode()} {unit!r} {kind.decode()}": partial(
        within, b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (kind, encoding), unit
    )
    for encoding in (b"base64", b"quoted-printable", b"7bit", b"x-uuencode")
    for unit in (b"A", b"=", b"=4", b"=\r\n", b"\xff", b" ", b"\r\n", b"A\r\n", b"=41", b" \r\n", b"AAA=")
    for kind in (b"text/plain", b"text/html", b"image/png")
}  # fmt: skip
LETTERS: dict[str, Callable[[], bytes]] = {
    f"{kind}: {name!r}"[:80]: letter
    for kind, letters in (
        ("HTML", HTML), ("in a tag", WITHIN_A_TAG), ("sheet", SHEETS), ("style", ATTRIBUTES), ("different", DIFFERENT), ("text", TEXTS),
        ("charset", CHARSETS), ("header", HEADERS), ("parts", PARTS), ("parameters", PARAMETERS), ("encoded", ENCODED),
    )
    for name, letter in letters.items()
}  # fmt: skip


def works(letter: ParsedLetter) -> Iterator[tuple[str, Callable[[], object]]]:
    """All that pages, lists and checks read of a letter."""
    yield "snippet", lambda: letter.snippet
    yield "readable", lambda: letter.readable
    yield "links", lambda: letter.links
    yield "codes", lambda: letter.codes
    yield "unsubscribe", lambda: letter.unsubscribe
    yield "fields", lambda: list(letter.fields)
    yield "tree", lambda: serialize.tree(letter.tree)
    yield "contents", lambda: [letter.content_of(part) for part in letter.tree.walk() if not part.is_multipart]
    yield "HTML check", lambda: html_check.check(letter.html)
    fields = [body for name, body in letter.headers if name.startswith("Auth")]
    yield "authentication", lambda: list(map(parse_authentication_results, fields))
    yield "view", lambda: html_of(letter, "1")


@pytest.mark.parametrize("name", LETTERS)
def test_every_reading_and_check_is_quick(name: str) -> None:
    html_check.caniemail_data()
    seconds, letter = processor_time(partial(parse, LETTERS[name]()), MOST)
    times = {"read": seconds} | {what: processor_time(work, MOST)[0] for what, work in works(letter)}
    assert {what: seconds for what, seconds in times.items() if seconds >= MOST} == {}


@pytest.mark.parametrize("points", [(5000, 5000), (2400, 2400), (4800, 4800)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_thumbnail_is_made_quickly(kind: str, points: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    octets = BytesIO()
    image.new("RGB", points, "red").save(octets, kind)
    assert len(octets.getvalue()) <= SIZE
    assert processor_time(partial(thumbnail, octets.getvalue()), MOST)[0] < MOST
