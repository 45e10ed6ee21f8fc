"""The reports that docs/reference/reports.md shows are those that are written, octet by octet."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Deferred, Delivered, Envelope, Failed, LetterId, Recipient, Status
from mailstack.letter.dsn import Dsn, RecipientStatus, Returned

SHOWN = Path(__file__).parents[2] / "docs/reference/reports.md"
AT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC).timestamp()
ALICE, CAROL = Address("alice", "home.test"), Address("carol", "elsewhere.test")
HEADER = b"From: alice@home.test\r\nSubject: Hello\r\nMessage-ID: <1@home.test>\r\n\r\n"

FAILED = Dsn(
    "failed",
    LetterId("1m85q6jr60hg7c6"),
    "mx.home.test",
    AT + 1,
    ALICE,
    LetterId("1m85q6jr000aaaa"),
    Envelope(ALICE, (), parameters=(("ENVID", "invoice+2017"),)),
    Arrival(AT, "mx.home.test", "ESMTPSA"),
    (
        RecipientStatus(
            Recipient(CAROL, None, (("ORCPT", "rfc822;Carol@elsewhere.test"),)),
            Failed(Status(5, 1, 1), "mx.elsewhere.test said: 550 5.1.1 no such mailbox here", "mx.elsewhere.test"),
        ),
    ),
    AT + 432_000,
    Returned(HEADER),
)
BUSY = Deferred(Status(4, 4, 1), "mx.elsewhere.test: connection refused")
TEAM = Address("team", "home.test")
GRETE = Address("grüße", "bücher.test")

REPORTS = {
    "failed": FAILED,
    "failed, with the whole letter": replace(FAILED, returned=Returned(HEADER, HEADER + b"Hi Carol\r\n")),
    "delayed": replace(FAILED, kind="delayed", at=AT + 14_400, notices=(RecipientStatus(Recipient(CAROL), BUSY),)),
    "delivered": replace(
        FAILED,
        kind="delivered",
        notices=(
            RecipientStatus(Recipient(CAROL), Delivered(Status(2, 1, 5), "in the mailbox", "", "carol@elsewhere.test")),
        ),
        server="mx.elsewhere.test",
    ),
    "relayed": replace(
        FAILED,
        kind="relayed",
        notices=(
            RecipientStatus(
                Recipient(CAROL, None, (("NOTIFY", "SUCCESS"),)),
                Delivered(Status(2, 0, 0), "mx.elsewhere.test said: 250 2.0.0 queued as 17", "mx.elsewhere.test"),
            ),
        ),
    ),
    "expanded": replace(
        FAILED,
        kind="expanded",
        notices=(
            RecipientStatus(
                Recipient(TEAM, None, (("NOTIFY", "SUCCESS,FAILURE"),)),
                Delivered(Status(2, 0, 0), "the message was expanded to the members of this address"),
            ),
        ),
    ),
    "failed, in UTF-8": replace(
        FAILED,
        envelope=Envelope(ALICE, (), "8BITMIME", (("SMTPUTF8", ""),)),
        notices=(
            RecipientStatus(
                Recipient(GRETE),
                Failed(Status(5, 6, 7), "553 5.6.7 the address needs SMTPUTF8, which the host does not offer"),
            ),
        ),
        returned=Returned("From: alice@home.test\r\nSubject: Grüße\r\n\r\n".encode()),
        eight_bit=True,
    ),
}


def shown() -> dict[str, str]:
    """The examples of the document, by their headings."""
    found = re.findall(r"^### ([^\n]+)\n.*?^```text\n(.*?)^```", SHOWN.read_text(), re.MULTILINE | re.DOTALL)
    return {name.lower().replace("utf-8", "UTF-8"): text for name, text in found}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_looks_as_the_document_shows_it(name: str) -> None:
    """RLY-15, RLY-16, DSN-02, DSN-03, UTF8-05."""
    assert REPORTS[name].octets().decode() == shown()[name].replace("\n", "\r\n")


def test_the_document_shows_no_others() -> None:
    assert shown().keys() == REPORTS.keys()
