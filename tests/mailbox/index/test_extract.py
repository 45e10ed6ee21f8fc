"""What the index reads of a letter."""

from __future__ import annotations

import time

import pytest

from mailstack.mailbox.index.extract import traced


@pytest.mark.parametrize("between", [b" ", b"\r\n ", b"\t", b" id"])
def test_a_trace_costs_no_more_than_its_octets(between: bytes) -> None:
    """Blanks in a Received field held all up for ten seconds."""
    field = b"Received: from a" + between * (60_000 // len(between)) + b"b"
    began = time.process_time()
    assert traced(field + b" id 1kq2v7m4e80c3xz\r\n\r\n") == ["1kq2v7m4e80c3xz"]
    assert traced(field + b"\r\n\r\n") == []
    assert time.process_time() - began < 1.0
