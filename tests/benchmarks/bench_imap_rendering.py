"""Processor time of what IMAP renders and searches, per message: `python -m tests.benchmarks.bench_imap_rendering`.

The message is a multipart of 2 KB in memory. The best of several rounds counts, because other processes disturb all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from mailstack.letter.mime.parts import header_end
from mailstack.letter.mime.structure import structure_of
from mailstack.mailbox.imap.searched_text import SearchedText
from mailstack.mailbox.imap.sort_order import sort_values
from mailstack.mailbox.imap.threads import threaded_message
from mailstack.protocols.imap.body_structure import body_structure
from mailstack.protocols.imap.envelope import envelope
from mailstack.protocols.imap.fetch_items import BodySection
from mailstack.protocols.imap.search_keys import SortKey
from mailstack.protocols.imap.sections import selected_fields

MESSAGE = (
    b"Received: from a.example.test (a.example.test [192.0.2.1]) by b.example.test with ESMTPS id 12345;\r\n"
    b"\tThu, 26 Nov 2026 22:41:22 +0100\r\n"
    * 3
    + b"Return-Path: <joe@example.test>\r\nDKIM-Signature: v=1; a=rsa-sha256; d=example.test; s=x;\r\n h=from:to; bh=abc; b=def\r\n"
    b"From: Joe Doe <joe@example.test>\r\nTo: Jane Doe <jane@example.test>, =?utf-8?q?J=C3=B6rg?= <joerg@example.test>\r\n"
    b"Cc: x@y.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from here\r\nDate: Thu, 26 Nov 2026 22:41:22 +0100\r\n"
    b"Message-ID: <1234567890@example.test>\r\nIn-Reply-To: <987@example.test>\r\nReferences: <987@example.test>\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="----=_Part_1_1234567.890"\r\n\r\n'
    b"------=_Part_1_1234567.890\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    + b"Hello there this is a line of text =C3=A4\r\n" * 10
    + b"\r\n------=_Part_1_1234567.890\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    + b"<p>Hello there this is a line of text =C3=A4</p>\r\n" * 10
    + b"\r\n------=_Part_1_1234567.890--\r\n"
)
HEADER = MESSAGE[: header_end(MESSAGE)]
STRUCTURE, _ = structure_of(MESSAGE)
FIELDS = STRUCTURE.described.bodies


def _rendered() -> None:
    structure, _ = structure_of(MESSAGE)
    envelope(structure.described.bodies)
    body_structure(structure, extended=True)


OF_A_LIST = BodySection((), "HEADER.FIELDS", ("From", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "References"))

ROWS: dict[str, Callable[[], object]] = {
    "structure, ENVELOPE and BODYSTRUCTURE": _rendered,
    "structure": lambda: structure_of(MESSAGE),
    "ENVELOPE": lambda: envelope(FIELDS),
    "BODYSTRUCTURE": lambda: body_structure(STRUCTURE, extended=True),
    "HEADER.FIELDS": lambda: selected_fields(OF_A_LIST, HEADER),
    "SEARCH SUBJECT": lambda: SearchedText(HEADER, is_whole=False).field_contains("subject", "rare"),
    "SEARCH FROM": lambda: SearchedText(HEADER, is_whole=False).field_contains("from", "rare"),
    "SEARCH TEXT": lambda: SearchedText(MESSAGE, is_whole=True).body_contains("rare", with_part_headers=True),
    "SORT (SUBJECT FROM)": lambda: sort_values([SortKey("SUBJECT"), SortKey("FROM")], FIELDS, at=0.0, size=1),
    "THREAD": lambda: threaded_message(1, FIELDS, 0.0),
}


def best(work: Callable[[], object], rounds: int, times: int) -> float:
    """Microseconds of one call."""
    found = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            work()
        found = min(found, (time.process_time() - began) / times)
    return found * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--times", type=int, default=300)
    options = parser.parse_args()
    print(f"{len(MESSAGE)} octets")  # noqa: T201
    for name, work in ROWS.items():
        print(f"{best(work, options.rounds, options.times):8.1f} us  {name}")  # noqa: T201


if __name__ == "__main__":
    main()
