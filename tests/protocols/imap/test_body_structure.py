"""BODY and BODYSTRUCTURE of ordinary, broken and hostile messages (IMAP-84)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter.mime.structure import MAX_NESTING, MAX_PARTS, structure_of
from mailstack.protocols.imap.body_structure import body_structure
from tests.aid import examples
from tests.parsers.mutation import octets_like
from tests.protocols.imap.messages import NESTED, TREE, lines
from tests.protocols.imap.response_values import values

TEXT = [b"text", b"plain", [b"charset", b"us-ascii"], None, None, b"7bit"]
EXTENSION = [None, None, None, None]


def structure(message: bytes, *, extended: bool = True, utf8: bool = False) -> list:
    (found,) = values(body_structure(structure_of(message)[0], extended=extended, utf8=utf8), utf8=utf8)
    return found


@pytest.mark.parametrize(
    "section",
    [
        b"Subject: x",
        b"Content-Type: text",
        b"Content-Type: ; charset=utf-8",
        b"Content-Type:",
        b"Content-Type: text/plain",
        b"Content-Transfer-Encoding: 7bit or so",
    ],
)
def test_a_missing_or_broken_type_is_plain_text(section: bytes) -> None:
    """IMAP-84: RFC 2045 §5.2."""
    found = structure(section + b"\r\n\r\na\r\nb\r\n", extended=False)
    assert found[:2] == TEXT[:2]
    assert found[3:] == [None, None, b"7bit", 6, 2]
    assert found[2][-2:] in ([b"charset", b"us-ascii"], [b"charset", b"utf-8"])


def test_a_part_has_its_fields_and_extension_data_last() -> None:
    """IMAP-84: parameters in the form of RFC 2231 stay as they are."""
    message = lines(
        b'Content-Type: IMAGE/PNG; name*0*=utf-8\'\'%C3%A4; NAME*1="b \\"c\\""; x=1 (comment)',
        b"Content-Transfer-Encoding: BASE64 (really)",
        b"Content-ID: <i@d>",
        b"Content-Description: a\r\n picture",
        b"Content-MD5: Q2hlY2s=",
        b'Content-Disposition: attachment (c); filename="a;b.png"',
        b"Content-Language: en, de (c)",
        b"Content-Location: http://a.test/x",
        b"",
        b"YWJj",
    )
    parameters = [b"name*0*", b"utf-8''%C3%A4", b"NAME*1", b'b "c"', b"x", b"1"]
    assert structure(message) == [
        *(b"image", b"png", parameters, b"<i@d>", b"a picture", b"base64", 6),
        *(b"Q2hlY2s=", [b"attachment", [b"filename", b"a;b.png"]], [b"en", b"de"], b"http://a.test/x"),
    ]
    assert structure(message, extended=False) == structure(message)[:7]


def test_a_type_may_have_blanks_and_comments() -> None:
    """IMAP-84: RFC 822 §3.1.4, as old programs write them."""
    found = structure(b"Content-Type: (a) text (b) / html; charset=utf-8\r\n\r\n")
    assert found[:3] == [b"text", b"html", [b"charset", b"utf-8"]]


def test_multiparts_and_messages_have_their_parts() -> None:
    """IMAP-84."""
    found = structure(TREE)
    text, message, digest, kind, parameters, *extension = found
    assert (kind, parameters, extension) == (b"mixed", [b"boundary", b"a b"], [None, None, None])
    assert text == [*TEXT[:2], [b"charset", b"utf-8"], None, None, b"quoted-printable", 13, 2, *EXTENSION]
    assert message[:7] == [b"message", b"rfc822", None, None, None, b"7bit", len(NESTED)]
    envelope, inner, count = message[7:10]
    assert envelope[1] == b"inner"
    assert inner[-5] == b"alternative"
    assert [part[1] for part in inner[:2]] == [b"plain", b"html"]
    assert count == NESTED.count(b"\n")
    assert [part[:2] for part in digest[:2]] == [[b"message", b"rfc822"], [b"text", b"x-note"]]


@pytest.mark.parametrize(
    "message",
    [
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno part\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nno part\r\n",
        b"Content-Type: multipart/mixed; boundary=%b\r\n\r\nno part\r\n" % (b"x" * 300),
    ],
)
def test_a_multipart_without_parts_has_its_body_as_text(message: bytes) -> None:
    """IMAP-84: the grammar demands a part, and BODY[1] is its text."""
    found = structure(message)
    assert found[:2] == [[*TEXT, 9, 1, *EXTENSION], b"mixed"]


def test_an_encoded_message_has_an_empty_envelope() -> None:
    """IMAP-84: its octets are no message before they are decoded (RFC 2046 §5.2.1)."""
    found = structure(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n")
    assert found == [
        *(b"message", b"rfc822", None, None, None, b"base64", 6),
        *([None] * 10, [*TEXT, 0, 0, *EXTENSION], 1, *EXTENSION),
    ]


def test_international_messages_are_parsed_for_clients_that_take_them() -> None:
    """IMAP-140: RFC 9051 §7.5.2."""
    message = b"Content-Type: message/global\r\n\r\nSubject: \xc3\xa4\r\n\r\nx\r\n"
    assert structure(message)[:8] == [b"message", b"global", None, None, None, b"7bit", 18, None]
    assert structure(message, utf8=True)[7][1] == b"\xc3\xa4"


def test_a_part_that_is_nested_too_deep_is_a_leaf() -> None:
    """IMAP-84, IMAP-130."""
    for one in (b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"):
        found = structure(one * 2 * MAX_NESTING)
        check(found, extended=True)
        assert depth(found) == MAX_NESTING + 1


def test_the_last_of_too_many_parts_is_all_that_remains() -> None:
    """IMAP-130: BODYSTRUCTURE of a hostile message is limited, and no octet is lost."""
    part = b"--x\r\n\r\na\r\n"
    found = structure(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + part * 2 * MAX_PARTS)
    parts = found[: MAX_PARTS - 1]
    assert found[MAX_PARTS - 1] == b"mixed"
    assert [each[6] for each in parts[:-1]] == [1] * (MAX_PARTS - 2)
    assert parts[-1][6] == len(part) * (MAX_PARTS + 2) - len(b"--x\r\n\r\n")


def depth(part: list) -> int:
    """Levels of multiparts and messages."""
    inner = [each for each in part if isinstance(each, list) and each and isinstance(each[0], list | bytes)]
    return 1 + max(map(depth, inner)) if part[0] == b"message" or isinstance(part[0], list) else 0


@settings(max_examples=examples(200))
@given(octets_like((TREE, NESTED)), st.booleans(), st.booleans())
def test_any_octets_give_a_structure(message: bytes, extended: bool, utf8: bool) -> None:
    """IMAP-130: a valid one, with the sizes of the body."""
    root, _ = structure_of(message)
    found = structure(message, extended=extended, utf8=utf8)
    check(found, extended=extended)
    if not isinstance(found[0], list):
        assert found[6] == root.end - root.start


def check(part: list, *, extended: bool) -> None:
    """Checks the grammar of a body (RFC 3501 §9)."""
    if isinstance(part[0], list):
        bodies = [each for each in part if isinstance(each, list)]
        count = next(index for index, each in enumerate(part) if not isinstance(each, list))
        assert isinstance(part[count], bytes)
        assert len(part) == count + (5 if extended else 1)
        for each in bodies[:count]:
            check(each, extended=extended)
        return
    kind, subtype, parameters, content_id, description, encoding, size, *rest = part
    assert isinstance(kind, bytes)
    assert isinstance(subtype, bytes)
    assert parameters is None or (len(parameters) % 2 == 0 and all(isinstance(each, bytes) for each in parameters))
    assert all(each is None or isinstance(each, bytes) for each in (content_id, description))
    assert isinstance(encoding, bytes)
    assert isinstance(size, int)
    if kind == b"text":
        assert isinstance(rest.pop(0), int)
    elif (kind, subtype) == (b"message", b"rfc822") or (kind == b"message" and rest and isinstance(rest[0], list)):
        envelope, body, lines_of_body, *rest = rest
        assert len(envelope) == 10
        check(body, extended=extended)
        assert isinstance(lines_of_body, int)
    assert len(rest) == (4 if extended else 0)
