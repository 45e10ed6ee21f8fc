"""Lines of an IMAP server that are changed, and literals that are not."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailstack.sandbox.imap.response_editor import ResponseEditor

REPLY = (
    b"* 1 FETCH (BODY[] {22}\r\n* 2 EXISTS\r\nx {3}\r\nab UID 7 X {0}\r\n)\r\n"
    b"* 2 EXISTS\r\n* OK [DROPPED] text\r\n* 3 FETCH (BINARY[1] ~{4}\r\n\0\r\n\xff)\r\na1 OK done\r\n"
)
CHANGED = (
    b"<* 1 FETCH (BODY[] {22}\r\n* 2 EXISTS\r\nx {3}\r\nab UID 7 X {0}\r\n)\r\n"
    b"<* 2 EXISTS\r\n<* 3 FETCH (BINARY[1] ~{4}\r\n\0\r\n\xff)\r\n<a1 OK done\r\n"
)


def edit(line: bytes, *, is_start: bool) -> bytes:
    """Marks the start of each response, and drops one."""
    if line.startswith(b"* OK [DROPPED]"):
        return b""
    return b"<" + line if is_start else line


@given(st.lists(st.integers(0, len(REPLY)), max_size=12))
def test_octets_in_any_pieces_become_the_same_lines(cuts: list[int]) -> None:
    editor = ResponseEditor(edit)
    places = [0, *sorted(cuts), len(REPLY)]
    pieces = [REPLY[start:end] for start, end in pairwise(places)]
    assert b"".join([editor.changed(piece) for piece in pieces]) == CHANGED


@given(st.binary(max_size=200))
def test_octets_stay_as_they_are_without_a_change(octets: bytes) -> None:
    editor = ResponseEditor(lambda line, *, is_start: line)
    changed = editor.changed(octets)
    assert octets.startswith(changed)
    assert editor.changed(b"\r\n" * 300).startswith(octets[len(changed) :])
