"""Writers of what IMAP says of a message: envelopes, structures, sections, previews, and what it finds and orders."""

from __future__ import annotations

import re

from mailstack.letter.mime.parts import header_end
from mailstack.letter.mime.structure import Kind, structure_of
from mailstack.letter.transfer_encoding import decoded
from mailstack.mailbox.imap.append import LineEnds
from mailstack.mailbox.imap.searched_text import SearchedText
from mailstack.mailbox.imap.sort_order import sort_values
from mailstack.mailbox.imap.threads import ALGORITHMS, ThreadedMessage, thread_response, threaded_message, threads
from mailstack.protocols.imap.binary_window import BinaryWindow
from mailstack.protocols.imap.body_structure import body_structure
from mailstack.protocols.imap.envelope import envelope
from mailstack.protocols.imap.fetch_items import BodySection
from mailstack.protocols.imap.preview import MAX_CHARACTERS, preview, preview_part, preview_range
from mailstack.protocols.imap.search_keys import SortKey
from mailstack.protocols.imap.sections import body_section
from tests.aid import run
from tests.parsers.parser import Parser, Pieces, same_in_every_cut
from tests.protocols.imap.messages import NESTED, TREE
from tests.protocols.imap.response_values import values

_ODD = (
    b'From: g: "a \\" b" <@r:c@d>, (x) e@f;, <>\r\nSubject: =?utf-8?q?=C3=A4?= [fwd: re: \xe4 (fwd)]\r\nDate: 1 Jan 2026 25:00'
    b"\r\nReferences: <a@b> <c@d>\r\nMessage-ID: <e@f>\r\nContent-Type: text/html; charset*0*=utf-16''x; n=\"un\r\n"
    b"Content-Disposition: inline; filename=a b (c)\r\nContent-Language: en, de\r\nContent-MD5: x\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nPGI+eDwvYj4=\r\n-- \r\n"
)


def _rendering(octets: bytes) -> None:
    """IMAP-81, IMAP-130: any message has an envelope and a structure that clients can parse, and sections that are its octets."""
    message = octets.replace(b"\0", b"")  # which no literal holds
    root, _ = structure_of(message)
    for utf8 in (False, True):
        assert len(values(envelope(root.described.bodies, utf8=utf8), utf8=utf8)[0]) == 10
        for extended in (False, True):
            assert len(values(body_structure(root, extended=extended, utf8=utf8), utf8=utf8)) == 1
    header, text, whole = (_fetched(BodySection(text=name), message) for name in ("HEADER", "TEXT", ""))
    assert (header or b"") + (text or b"") == whole == message
    for number in range(1, len(root.parts) + 1 if root.kind is Kind.MULTIPART else 2):
        part = _fetched(BodySection((number,)), message)
        assert part is not None
        assert part in message
    shown = preview_part(root)
    if shown is not None:
        window = preview_range(shown)
        assert len(preview(shown, message[window.start : window.end])) <= MAX_CHARACTERS


def _fetched(item: BodySection, message: bytes) -> bytes | None:
    written = body_section(item, structure_of(message)[0], message)
    (value,) = values(re.sub(rb"\ABODY\[[^]]*\] ", b"", written))
    return value


def _binary(octets: bytes) -> None:
    """IMAP-87: decoding does not depend on the cut, and a window is the same octets of all."""
    for encoding in ("base64", "quoted-printable", ""):

        def play(pieces: Pieces, encoding: str = encoding) -> bytes:
            window = BinaryWindow(encoding)
            return b"".join([*map(window.feed, pieces), window.finish()])

        found = same_in_every_cut(octets, play)
        assert found == decoded(octets, encoding)
        part = BinaryWindow(encoding, (2, 3))
        assert part.feed(octets) + part.finish() == found[2:5]


def _line_ends(octets: bytes) -> None:
    """IMAP-60: every line of an appended message ends in CRLF, and nothing else changes."""

    def play(pieces: Pieces) -> bytes:
        lines = LineEnds()
        return b"".join(map(lines.feed, pieces))

    found = same_in_every_cut(octets, play)
    assert found.count(b"\n") == found.count(b"\r\n") == octets.count(b"\n")
    assert found.replace(b"\r\n", b"\n") == octets.replace(b"\r\n", b"\n")


def _finding(octets: bytes) -> None:
    """IMAP-101, IMAP-106: what the header section decides stays so, and the text that is searched has its own words."""
    whole = SearchedText(octets, is_whole=True)
    end = header_end(octets)
    header = SearchedText(octets[:end] if end >= 0 else octets, is_whole=False)
    assert header.sent_day == whole.sent_day
    for text in ("", "a", "\u00e4", "re"):
        for name in ("from", "subject"):
            assert header.field_contains(name, text) is whole.field_contains(name, text)
        assert header.header_contains(text) is whole.header_contains(text)
        assert whole.body_contains(text) is not None


def _ordering(octets: bytes) -> None:
    """IMAP-105: messages, one for each empty line, are ordered and threaded, each once."""
    sections = octets.split(b"\r\n\r\n")[:12]
    fields = [structure_of(section + b"\r\n\r\n")[0].described.bodies for section in sections]
    names = ("CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SUBJECT", "TO")
    messages: list[ThreadedMessage] = []
    for number, each in enumerate(fields, 1):
        sort_values([SortKey(name) for name in names], each, at=0.0, size=1)
        messages.append(threaded_message(number, each, 0.0))
    for algorithm in ALGORITHMS:
        response = b"".join(thread_response(run(threads(algorithm, messages, _never))))
        assert sorted(map(int, re.findall(rb"\d+", response))) == list(range(1, len(messages) + 1))


async def _never(_: float) -> None:
    """A pause that lets no other run."""


PARSERS = (
    Parser(
        "imap-rendering",
        (
            *("protocols.imap.envelope", "protocols.imap.body_structure", "protocols.imap.sections"),
            *("protocols.imap.preview", "protocols.imap.responses", "letter.mime.structure"),
        ),
        _rendering,
        (TREE, NESTED, _ODD),
    ),
    Parser(
        "imap-binary",
        ("protocols.imap.binary_window", "letter.transfer_encoding"),
        _binary,
        (b"YQBi\r\nYWJj", b"YWI=\r\n-- \r\nlist", b"gr=C3=BCn =\r\nx=3", b"=00 a=\r\n", b"=\r\n=\r"),
    ),
    Parser("imap-line-ends", ("mailbox.imap.append",), _line_ends, (b"a\nb\r\nc\rd\n\n", b"\r\r\n\n\r")),
    Parser("imap-search", ("mailbox.imap.searched_text", "letter.parsed.html_text"), _finding, (TREE, NESTED, _ODD)),
    Parser(
        "imap-order",
        ("mailbox.imap.base_subject", "mailbox.imap.sort_order", "mailbox.imap.threads"),
        _ordering,
        (
            b"Message-ID: <a@b>\r\nSubject: x\r\n\r\nReferences: <a@b> <c@d>\r\nSubject: re: x\r\n\r\nIn-Reply-To: <c@d>",
            b"\r\n\r\nMessage-ID: <a@b>\r\nReferences: <b@b>\r\n\r\nMessage-ID: <b@b>\r\nReferences: <a@b>\r\n\r\nSubject: [x]",
            _ODD,
        ),
    ),
)
