"""BINARY decoding in pieces and windows (IMAP-87)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter.transfer_encoding import AT_ONCE, decoded
from mailstack.protocols.imap.binary_window import BinaryWindow
from tests.aid import examples
from tests.parsers.mutation import octets_like
from tests.protocols.cuts import at_random, one_at_a_time, whole

ENCODED = (b"YQBi\r\nYWJj", b"YWI=\r\n-- \r\nlist", b"gr=C3=BCn =\r\nx=3", b"=00 a=\r\n", b"=\r\n=\r", b"a\0b")


def read(encoding: str, pieces: list[bytes], partial: tuple[int, int] | None = None) -> tuple[bytes, BinaryWindow]:
    window = BinaryWindow(encoding, partial)
    octets = b"".join([*map(window.feed, pieces), window.finish()])
    assert window.size == len(octets)
    assert window.has_nul is (b"\0" in octets)
    return octets, window


@settings(max_examples=examples(200))
@given(
    octets_like(ENCODED),
    st.sampled_from(["base64", "quoted-printable", ""]),
    st.none() | st.tuples(st.integers(0, 20), st.integers(0, 20)),
    st.integers(0, 9),
)
def test_a_window_is_the_same_in_every_cut(
    encoded: bytes, encoding: str, partial: tuple[int, int] | None, seed: int
) -> None:
    """IMAP-87: RFC 3516 §4.2; a partial counts decoded octets."""
    all_octets = decoded(encoded, encoding)
    expected = all_octets[partial[0] : partial[0] + partial[1]] if partial else all_octets
    for cut in (whole, one_at_a_time, at_random(seed)):
        octets, window = read(encoding, cut(encoded), partial)
        assert octets == expected
        assert window.is_full is (partial is not None and len(octets) == partial[1])


def test_a_long_line_is_decoded_before_its_end() -> None:
    """IMAP-82: no line is held in memory."""
    line = b"=41" * (AT_ONCE // 2)
    window = BinaryWindow("quoted-printable")
    assert len(window.feed(line)) > AT_ONCE // 3
    assert read("quoted-printable", [line[:-1], line[-1:]])[0] == b"A" * (AT_ONCE // 2)
