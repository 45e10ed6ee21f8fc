"""Text in any charset: the same whether it comes in one piece or in many, and never in one that takes long."""

from __future__ import annotations

import random
import sys
from types import FrameType
from typing import Any

import pytest

from mailstack.letter import charsets
from mailstack.letter.charsets import AT_ONCE, text_of

SOME = random.Random(7).randbytes(3 * AT_ONCE + 5)
SIGNS = bytes(random.Random(7).choices(b"+A-~{}\x1b$B(J\xff\x81a", k=3 * AT_ONCE + 5))
TEXTS = [each * 6000 for each in ("Grüße aus Köln ", "日本語 ", "привет ", "한국어 ", "中文测试 ")]


def octets_in(codec: str) -> list[bytes]:
    """Text, as far as the codec has it, and what is none."""
    found = [SOME, SIGNS, b"\xfe\xff" + SOME, b"\xff\xfe" + SOME, b"\xff\xfe\0\0" + SOME]
    return [*found, *(text.encode(codec, "ignore") for text in TEXTS)]


@pytest.mark.parametrize("codec", sorted(charsets._codecs()))
def test_a_long_text_is_the_same_piece_by_piece(codec: str) -> None:
    for octets in octets_in(codec):
        try:
            whole = octets.decode(codec, "replace")
        except (LookupError, ValueError):
            continue
        assert charsets._decoded(octets, codec) == whole


@pytest.mark.parametrize("charset", ["windows-1253", "iso-8859-8", "utf-7", "hp-roman8", ""])
def test_others_may_run_while_a_letter_of_a_stranger_is_decoded(charset: str) -> None:
    """Invalid octets take a codec a hundred times as long, and the call blocks other threads."""
    octets = b"\x81\xff" * 16 * AT_ONCE
    calls = []

    def seen(_: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in {"decode", "charmap_decode", "utf_7_decode"}:
            calls.append(called)

    sys.setprofile(seen)
    try:
        text_of(octets, charset)
    finally:
        sys.setprofile(None)
    assert len(calls) >= len(octets) // AT_ONCE
