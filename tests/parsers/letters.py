"""Readers of what travels: addresses, header sections, MIME, statuses, and parameters that say when a letter goes."""

from __future__ import annotations

import base64
import math
import quopri
from typing import Any

from mailstack.letter import Address, AddressError, Envelope, Recipient, header, time_parameters
from mailstack.letter.address import decode_unitext, decode_xtext, encode_unitext
from mailstack.letter.address_lists import addresses_in
from mailstack.letter.dsn import Returned
from mailstack.letter.envelope import XVERP, read_delimiters, sender_for
from mailstack.letter.letter import Octets, read_all
from mailstack.letter.mime import Domain, Unconvertible, convert
from mailstack.letter.mime.fields import describe, relabel
from mailstack.letter.mime.parts import Body, Kind, Parts
from mailstack.letter.mime.structure import PartStructure, StructureParser
from mailstack.letter.parsed.calendar import MAX_EVENTS, MAX_VALUE, parse_calendar
from mailstack.letter.status import Status
from mailstack.letter.transfer_encoding import Base64, QuotedPrintable
from tests.aid import run
from tests.parsers.parser import Parser, Pieces, same_in_every_cut, text, unless


@unless(AddressError)
def _address(octets: bytes) -> None:
    """A written mailbox is parsed as the same one, in each form."""
    address = Address.parse(text(octets))
    assert Address.parse(str(address)) == address
    assert address.with_a_labels.key == address.key
    assert str(address).isprintable()


def _header(octets: bytes) -> None:
    """No octet is lost, and what was taken out is out."""
    end = header.split(octets)
    section = octets[:end]
    found = list(header.fields(section))
    assert b"".join([field for _, field in found]) == section
    names = {name for name, _ in found if name}
    for name in sorted(names)[:8]:
        rest = header.strip_fields(section, {name})
        assert not any(each == name for each, _ in header.fields(rest))
        assert len(rest) < len(section)
        assert header.has(section, name)
    for _, field in found[:8]:
        addresses_in(field.partition(b":")[2])


def _mailboxes(octets: bytes) -> None:
    for address in addresses_in(octets) or ():
        assert addresses_in(f"<{address}>".encode("utf-8", "surrogateescape")) == (address,)


def _calendar(octets: bytes) -> None:
    """Whatever is there is events with bounded texts; an end has the zone of its kind."""
    events = parse_calendar(octets)
    assert len(events) <= MAX_EVENTS
    for event in events:
        texts = (event.method, event.summary, event.location, event.organizer, event.organizer_name)
        assert all(len(each) <= MAX_VALUE for each in texts)
        for time in (event.start, event.end):
            assert time is None or time.at.isoformat()


def _parts(octets: bytes) -> None:
    """All pieces, joined, are the letter; and its parts don't depend on the cut."""

    def play(pieces: Pieces) -> Any:
        parts, found = Parts(), list[Any]()
        try:
            for piece in pieces:
                found += parts.feed(piece)
            found += parts.finish()
        except Unconvertible:
            return Unconvertible
        whole = b"".join([each.section if hasattr(each, "section") else each.octets for each in found])
        assert whole == octets
        return [(type(each), each) for each in _joined(found)]

    same_in_every_cut(octets, play)


def _structure(octets: bytes) -> None:
    """Parts lie within each other in their order, their lines are those of their bodies, and no cut changes them."""

    def play(pieces: Pieces) -> PartStructure:
        parser = StructureParser(max_parts=20)
        for piece in pieces:
            parser.feed(piece)
        return parser.finish()

    root = same_in_every_cut(octets, play)
    assert (root.head, root.end) == (0, len(octets))
    assert sum(1 for _ in root.walk()) <= 20
    for part in root.walk():
        assert part.head <= part.start <= part.end
        assert part.lines == octets[part.start : part.end].count(b"\n")
        at = part.start
        for each in part.parts:
            assert at <= each.head
            at = each.end
        assert at <= part.end
        if part.kind is Kind.MESSAGE and part.parts:
            assert (part.parts[0].head, part.parts[0].end) == (part.start, part.end)


def _joined(pieces: list[Any]) -> list[Any]:
    """Pieces of one body or filler put together."""
    joined: list[Any] = []
    for piece in pieces:
        if joined and type(piece) is type(joined[-1]) and not hasattr(piece, "section") and piece.octets:
            kind = type(piece)
            if kind is Body or kind.__name__ == "Filler":
                joined[-1] = kind(joined[-1].octets + piece.octets)
                continue
        joined.append(piece)
    return joined


@unless(Unconvertible)
def _conversion(octets: bytes) -> None:
    """B8-02: what comes out fits, says its size, and needs no conversion any more."""
    for domain in Domain:
        converted = run(convert(Octets(octets), domain))
        out = run(read_all(converted))
        assert converted.size == len(out)
        assert b"\0" not in out
        assert out.count(b"\r") == out.count(b"\n") == out.count(b"\r\n")
        assert domain is Domain.EIGHT or out.isascii()
        assert run(read_all(run(convert(Octets(out), domain)))) == out


def _described(octets: bytes) -> None:
    describe(octets)
    section = octets[: header.split(octets)]
    if all(name or field == b"\r\n" for name, field in header.fields(section)) and section.endswith(b"\r\n"):
        assert describe(relabel(section, "base64")).encoding == "base64"


def _encodings(octets: bytes) -> None:
    """The standard library decodes encoded octets to the same; quoted-printable is for lines of text only."""
    lines = octets.replace(b"\r", b"").replace(b"\0", b"").replace(b"\n", b"\r\n")
    ways: tuple[tuple[Any, Any, bytes], ...] = (
        (Base64, base64.b64decode, octets),
        (QuotedPrintable, quopri.decodestring, lines),
    )
    for encoder, decode, plain in ways:

        def play(pieces: Pieces, encoder: Any = encoder) -> bytes:
            made = encoder()
            return b"".join([made.feed(piece) for piece in pieces]) + made.finish()

        encoded = same_in_every_cut(plain, play)
        assert encoded.isascii()
        assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
        assert decode(encoded) == plain


def _returned(octets: bytes) -> None:
    """The original in a bounce consists of lines that the host of the sender accepts, for any letter."""
    section = octets[: header.split(octets)]
    for eight_bit, international in ((False, False), (True, False), (True, True)):
        for returned in (Returned(section), Returned(section, octets)):
            part = b"".join(returned.part(eight_bit=eight_bit, international=international).octets)
            assert eight_bit or part.isascii()
            assert b"\0" not in part
            assert part.count(b"\r") == part.count(b"\n") == part.count(b"\r\n")
            assert max(map(len, part.split(b"\r\n"))) <= (76 if b"quoted-printable" in part[:200] else 998)


@unless(ValueError)
def _status(octets: bytes) -> None:
    status = Status.parse(text(octets))
    assert Status.parse(str(status)) == status


def _terms(octets: bytes) -> None:
    """An accepted parameter value is written and parsed as the same; any other is a ValueError."""
    value = text(octets)
    for read, write in (
        (time_parameters.read_seconds, str),
        (time_parameters.read_priority, str),
        (time_parameters.read_date_time, time_parameters.date_time_text),
        (time_parameters.read_by, str),
    ):
        try:
            found: Any = read(value)
        except ValueError:
            continue
        if read is time_parameters.read_date_time and not _FIRST <= found < _LAST:
            continue  # another zone's
        again = read(write(found))
        assert again == (math.floor(found) if read is time_parameters.read_date_time else found)


def _xtext(octets: bytes) -> None:
    value = text(octets)
    decoded = decode_xtext(value)
    assert decoded is None or (decoded.isascii() and decoded.isprintable())
    printable = "".join([each for each in value if each.isprintable() and each not in "\\+"])
    assert decode_unitext(encode_unitext(printable)) == printable
    assert all(each.isprintable() for each in decode_unitext(printable))


_FIRST, _LAST = -62135596800, 253402300800
"""Seconds since 1970 of the years 1 to 9999."""
_MULTIPART = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="a b"\r\n\r\npreamble\r\n--a b\r\n'
    b"Content-Transfer-Encoding: binary\r\n\r\n\xe4\0\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n\xf6\r\n"
    b"--a b--\r\nepilogue\r\n"
)
_CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY;LANGUAGE=en:Plan\\, do\\n\r\n it\r\n"
    b'ORGANIZER;CN="A: B; C":mailto:a@b.test\r\nDTSTART;TZID=Europe/Berlin:20261203T100000\r\n'
    b"DTEND:20261203T110000Z\r\nDURATION:PT1H30M\r\nLOCATION:Room\r\nRRULE:FREQ=DAILY\r\n"
    b"BEGIN:VALARM\r\nSUMMARY:no\r\nEND:VALARM\r\nEND:VEVENT\r\n"
    b"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261224\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@unless(ValueError)
def _verp(octets: bytes) -> None:
    """Delimiters and a recipient: a path that is an address in ASCII, of the sender's domain."""
    delimiters, _, recipient = text(octets).partition(" ")
    envelope = Envelope(Address("news", "home.test"), (), parameters=((XVERP, read_delimiters(delimiters)),))
    found = sender_for(envelope, Recipient(Address.parse(recipient)))
    assert found is not None
    assert Address.parse(str(found)) == found
    assert found.domain == "home.test"
    assert found.local.isascii()


PARSERS = (
    Parser(
        "verp", ("letter.envelope",), _verp, (b"+= carol@elsewhere.test", "=- c@bücher.test".encode(), b'+= "a b"@x')
    ),
    Parser(
        "address",
        ("letter.address",),
        _address,
        (
            b"alice@home.test",
            b'"a\\"@ b"@home.test.',
            b"a@[192.0.2.1]",
            b"a@[IPv6:2001:db8::1]",
            "bücher@bücher.test".encode(),
            "A\u0308@STRASSE.test".encode(),
        ),
    ),
    Parser(
        "header",
        ("letter.header", "letter.address_lists"),
        _header,
        (
            b"From: a@b.test\r\nTo : c@d.test,\r\n e@f.test\r\n\r\nbody",
            b">From x\r\nA: b\r\nstray\r\nA: c\r\n",
            b"\r\nbody",
        ),
    ),
    Parser(
        "mailboxes",
        ("letter.address_lists",),
        _mailboxes,
        (b'"Doe, J" (c (d)) <j@x.test>, g: a@b.test, <c@d.test>;', b'a@b, "x@y"@c.test ( \\) )', b"<<a@b.test>>"),
    ),
    Parser("calendar", ("letter.parsed.calendar",), _calendar, (_CALENDAR, _CALENDAR.replace(b"DTEND", b"DTEN"))),
    Parser("mime-parts", ("letter.mime.parts", "letter.mime.fields"), _parts, (_MULTIPART, b"A: b\r\n\r\nx")),
    Parser(
        "mime-structure",
        ("letter.mime.structure",),
        _structure,
        (
            _MULTIPART,
            b"A: b\r\n\r\nx",
            (
                b"Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n--a\r\nA: b\r\n--ab\r\n\r\nContent-Type:"
                b" multipart/mixed; boundary=ab\r\n\r\n--ab\r\nContent-Type: message/rfc822\r\n--ab--\r\n--a--\r\n"
            ),
        ),
    ),
    Parser(
        "mime-conversion",
        ("letter.mime.conversion", "letter.transfer_encoding"),
        _conversion,
        (_MULTIPART, b"Subject: x\r\n\r\n\xe4\r\n", b"Content-Transfer-Encoding: binary\r\n\r\na\nb" + b"x" * 1000),
    ),
    Parser(
        "mime-fields",
        ("letter.mime.fields",),
        _described,
        (b'Content-Type: multipart/x; a="\\;"; boundary="b\\c "\r\nContent-Transfer-Encoding: 8BIT (x)\r\n\r\n',),
    ),
    Parser(
        "mime-encodings", ("letter.transfer_encoding",), _encodings, (b"a =\t\r\n.\r\n" + b"\xe4" * 90, b"x \r\n" * 30)
    ),
    Parser(
        "returned",
        ("letter.dsn", "letter.header"),
        _returned,
        (
            b"Subject: \xe4\r\n\r\nx\0\r\n",
            "Subject: ä\r\n\r\n".encode(),
            b"A: b\r\n\r\n" + b"x" * 999,
            b"A: \n\r\n\r\n",
        ),
    ),
    Parser("status", ("letter.status",), _status, (b"5.7.1 no", b"2.0.0", b"4.999.999")),
    Parser(
        "terms",
        ("letter.time_parameters",),
        _terms,
        (b"120", b"-9", b"2030-01-31T18:00:00Z", b"2016-12-31T23:59:60.5+01:00", b"-120;NT", b"600;R"),
    ),
    Parser("xtext", ("letter.address",), _xtext, (b"a+2Bb+40c", b"\\x{1F600}+41", "ö+2B".encode())),
)
