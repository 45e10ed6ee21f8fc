"""Recorded sessions: whole lines, in bounded memory."""

from __future__ import annotations

import tracemalloc

from mailstack.sandbox.recording import SessionTranscript

READ = 65536


def heard(*said: tuple[str, bytes]) -> list[str]:
    dialogue = SessionTranscript(1, "client", "server", lambda: 0.0)
    for who, octets in said:
        dialogue.feed(who, octets)
    return [f"{line.side}: {line.text}" for line in dialogue.lines]


def test_a_line_is_told_when_it_is_whole() -> None:
    assert heard(("C", b"EHLO cli"), ("C", b"ent\r\nNOOP\r\n")) == ["C: EHLO client", "C: NOOP"]


def test_of_a_line_without_an_end_no_more_is_kept_than_its_beginning() -> None:
    """The engine throws such a line away as it comes; who listens must not gather it."""
    dialogue = SessionTranscript(1, "client", "server", lambda: 0.0)
    octets = b"x" * READ
    tracemalloc.start()
    try:
        for _ in range(64):
            dialogue.feed("C", octets)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < READ
    dialogue.feed("C", b"\r\nQUIT\r\n")
    first, last = dialogue.lines
    assert (first.text.strip("x"), last.text) == ("", "QUIT")
    assert len(first.text) < READ
