"""Letters said in fewer kinds of octets: what their reader sees is the same (RFC 6152 §3, RFC 3030 §3)."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter.letter import Octets, read_all
from mailstack.letter.mime import Domain, Unconvertible, convert
from tests.aid import examples


@frozen
class InPieces:
    """A content that comes in pieces of a given size."""

    octets: bytes
    piece: int

    @property
    def size(self) -> int:
        return len(self.octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.octets), self.piece):
            yield self.octets[start : start + self.piece]


def converted(octets, domain=Domain.SEVEN, piece=65536):
    async def work():
        content = await convert(InPieces(octets, piece), domain)
        result = await read_all(content)
        assert content.size == len(result)
        return result

    return asyncio.run(work())


def lines(*texts):
    return b"".join(text + b"\r\n" for text in texts)


def leaves(octets):
    """Type and decoded octets of each part, as Python's email sees them."""
    letter = email.message_from_bytes(octets, policy=email.policy.compat32)
    return [
        (part.get_content_type(), part.get_payload(decode=True)) for part in letter.walk() if not part.is_multipart()
    ]


def is_sendable(octets, domain):
    assert domain is Domain.EIGHT or octets.isascii()
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    assert b"\0" not in octets
    assert octets.endswith(b"\r\n")


PLAIN = lines(
    b"From: a@b.test", b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8", b"%b", b"gr\xc3\xbcne Wiese"
)


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        (b"Content-Transfer-Encoding: 8bit\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"),
        (b"content-transfer-encoding:\r\n 8BIT (why)\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"),
        (b"", b"Content-Transfer-Encoding: quoted-printable\r\n"),
    ],
)
def test_a_text_becomes_quoted_printable(field, changed):
    """8BIT-02, RLY-24."""
    assert converted(PLAIN % field) == (PLAIN % changed).replace(b"gr\xc3\xbcn", b"gr=C3=BCn")


def test_what_is_mostly_not_ascii_becomes_base64():
    text = "Привет, мир\r\n".encode()
    result = converted(lines(b"Content-Type: text/plain; charset=utf-8", b"") + text)
    assert b"Content-Transfer-Encoding: base64\r\n\r\n" in result
    assert leaves(result)[0][1] == text


def test_letter_without_mime_gets_an_unknown_charset():
    """8BIT-02: RFC 1428 §3."""
    assert converted(b"Subject: x\r\n\r\n\xe5\r\n") == lines(
        b"Subject: x",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=unknown-8bit",
        b"Content-Transfer-Encoding: base64",
        b"",
        b"5Q0K",
    )


TREE = lines(
    b"MIME-Version: 1.0",
    b'Content-Type: multipart/mixed; name="; boundary=no"; boundary="o:ut"',
    b"Content-Transfer-Encoding: 8bit",
    b"",
    b"preamble",
    b"--o:ut",
    b"Content-Type: text/plain",
    b"",
    b"stays = as it is",
    b"--o:ut  ",
    b"Content-Type: multipart/digest; boundary=in",
    b"",
    b"--in",
    b"",
    b"Subject: a letter",
    b"Content-Transfer-Encoding: 8bit",
    b"",
    b"sm\xf6rg\xe5s in a long enough line",
    b"--inner is no delimiter",
    b"--in--",
    b"--o:ut",
    b"Content-Type: image/png",
    b"Content-Transfer-Encoding: 8bit",
    b"",
    b"\x89PNG",
    b"--o:ut--",
    b"epilogue",
)


@pytest.mark.parametrize("piece", [1, 3, 7, 65536])
def test_only_what_must_change_does(piece):
    """8BIT-02, RLY-24."""
    result = converted(TREE, piece=piece)
    expected = TREE
    unknown = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
    for before, after in [
        (b'o:ut"\r\nContent-Transfer-Encoding: 8bit', b'o:ut"\r\nContent-Transfer-Encoding: 7bit'),
        (
            b"letter\r\nContent-Transfer-Encoding: 8bit\r\n",
            b"letter\r\n%bContent-Transfer-Encoding: quoted-printable\r\n" % unknown,
        ),
        (b"sm\xf6rg\xe5s", b"sm=F6rg=E5s"),
        (b"png\r\nContent-Transfer-Encoding: 8bit", b"png\r\nContent-Transfer-Encoding: base64"),
        (b"\x89PNG", b"iVBORw=="),
    ]:
        assert before in expected
        expected = expected.replace(before, after)
    assert sorted(result.split(b"\r\n")) == sorted(expected.split(b"\r\n"))
    assert leaves(result) == leaves(TREE)


def test_filler_that_cannot_go_is_left_out():
    result = converted(TREE.replace(b"preamble", b"f\xfcr").replace(b"epilogue", b"\xe9pilogue"))
    assert leaves(result) == leaves(TREE)
    is_sendable(result, Domain.SEVEN)


def test_binary_parts_become_base64_and_others_say_what_they_are():
    """BDAT-09."""
    letter = lines(b"Content-Type: multipart/mixed; boundary=x", b"Content-Transfer-Encoding: binary", b"", b"--x")
    letter += lines(b"Content-Transfer-Encoding: binary", b"Content-Type: text/plain", b"", b"gr\xc3\xbcn", b"--x")
    letter += lines(b"Content-Transfer-Encoding: binary", b"Content-Type: application/x", b"") + b"a\nb\r\0"
    letter += b"\r\n--x--"
    result = converted(letter, Domain.EIGHT)
    assert [line for line in result.split(b"\r\n") if b"Encoding" in line] == [
        b"Content-Transfer-Encoding: 8bit",
        b"Content-Transfer-Encoding: 8bit",
        b"Content-Transfer-Encoding: base64",
    ]
    assert b"gr\xc3\xbcn" in result
    assert b"\r\nYQpiDQA=\r\n--x--\r\n" in result


def test_long_lines_are_never_folded():
    """RLY-24: what is longer than a line may be is encoded where it changes, and left alone where it doesn't."""
    text = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + b"y" * 3000
    text += (
        b"\r\n--x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + b"z" * 3000 + b"\r\n--x\r\n\r\n\xe5 z\r\n--x--\r\n"
    )
    result = converted(text)
    assert b"y" * 3000 in result
    assert b"z" * 3000 not in result
    assert [octets for _, octets in leaves(result)] == [b"y" * 3000, b"z" * 3000, b"\xe5 z"]


UNFIT = {
    "header": b"Subject: \xc3\xa5\r\n\r\nx\r\n",
    "bare LF in a header": b"Subject: a\nb\r\n\r\nx\xe5\r\n",
    "signed": lines(
        b"Content-Type: multipart/signed; boundary=s",
        b"",
        b"--s",
        b"Content-Type: multipart/mixed; boundary=m",
        b"",
        b"--m",
        b"",
        b"\xe5",
        b"--m--",
        b"--s",
        b"Content-Type: application/pgp-signature",
        b"",
        b"--s--",
    ),
    "encoded already": b"Content-Transfer-Encoding: base64\r\n\r\n\xe5\r\n",
    "unknown encoding": b"Content-Transfer-Encoding: x-uue\r\n\r\n\xe5\r\n",
    "multipart without boundary": b"Content-Type: multipart/mixed\r\n\r\n\xe5\r\n",
    "a report": b"Content-Type: message/delivery-status\r\n\r\n\xe5\r\n",
    "too many parts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n" * 10_001 + b"\xe5",
    "too deep": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 21,
    "a head without end": b"x" * 300_000,
    "a part without body": b"Content-Type: multipart/x; boundary=x\r\n\r\n--x\r\nA: b\r\n--x--\r\n\r\n\xe5",
}


@pytest.mark.parametrize("octets", UNFIT.values(), ids=UNFIT)
def test_what_cannot_be_converted_is_not(octets):
    """8BIT-02: it comes back as 5.6.3 instead."""
    with pytest.raises(Unconvertible):
        converted(octets)


def test_a_signed_letter_of_ascii_passes():
    letter = UNFIT["signed"].replace(b"\xe5", b"a")
    assert converted(letter) == letter


# --- any letter


texts = st.lists(
    st.sampled_from([b"a", b"\xc3\xa5", b" ", b"=", b".", b"--b0", b"x" * 100, b"\r\n", b"\t"]), max_size=12
)
binaries = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"a", b"--", b"-" * 70]), max_size=12)
bodies = (texts | binaries).map(b"".join)


@st.composite
def parts(draw, depth=0):
    """Header and body of a part."""
    kind = draw(st.sampled_from(["text", "data"] + ["multipart", "message"] * (depth < 3)))
    said = draw(st.sampled_from([b"", b"Content-Transfer-Encoding: binary\r\n"]))
    if kind == "multipart":
        boundary = b"boundary%d" % depth
        inner = [draw(parts(depth=depth + 1)) for _ in range(draw(st.integers(1, 3)))]
        body = b"".join(b"\r\n--%b\r\n%b" % (boundary, part) for part in inner) + b"\r\n--%b--" % boundary
        return b"Content-Type: multipart/mixed; boundary=%b\r\n%b\r\n" % (boundary, said) + body
    if kind == "message":
        return b"Content-Type: message/rfc822\r\n%b\r\n" % said + draw(parts(depth=depth + 1))
    of_type = b"text/plain; charset=utf-8" if kind == "text" else b"application/octet-stream"
    return b"Content-Type: %b\r\n%b\r\n" % (of_type, said) + draw(bodies)


@settings(max_examples=examples(200))
@given(parts(), st.sampled_from(Domain), st.integers(1, 70))
def test_the_reader_sees_the_same_octets(letter, domain, piece):
    """8BIT-02, BDAT-09, RLY-24."""
    letter = b"MIME-Version: 1.0\r\n" + letter
    result = converted(letter, domain)
    is_sendable(result, domain)
    assert converted(letter, domain, piece) == result
    assert converted(result, domain) == result
    seen, meant = leaves(result), leaves(letter)
    assert [of_type for of_type, _ in seen] == [of_type for of_type, _ in meant]
    for (_, one), (_, other) in zip(seen, meant, strict=True):
        assert one == other or one == other + b"\r\n"


@settings(max_examples=examples(200))
@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b\r\n",
                b"Content-Type: multipart/digest; boundary=c\r\n",
                b"Content-Type: message/rfc822\r\n",
                b"Content-Transfer-Encoding: binary\r\n",
                *(
                    b"\r\n",
                    b"\r\n--b\r\n",
                    b"\r\n--b--",
                    b"\r\n--c\r\n",
                    b"--b",
                    b"\xe5",
                    b"\r",
                    b"\n",
                    b"x",
                    b":",
                    b" ",
                ),
            ]
        ),
        max_size=25,
    ).map(b"".join),
    st.sampled_from(Domain),
    st.integers(1, 30),
)
def test_whatever_comes_is_converted_or_not(letter, domain, piece):
    try:
        result = converted(letter, domain)
    except Unconvertible:
        with pytest.raises(Unconvertible):
            converted(letter, domain, piece)
        return
    assert converted(letter, domain, piece) == result
    if letter:
        is_sendable(result, domain)


def test_an_empty_letter_stays_empty():
    assert asyncio.run(read_all(asyncio.run(convert(Octets(b""), Domain.SEVEN)))) == b""
