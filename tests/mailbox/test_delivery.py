"""Local delivery agent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Delivered, Failed, Letter, Outcome, Status
from mailstack.letter.delivery import Delivery
from mailstack.letter.trace import date_time
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.policy.limits import Quotas
from mailstack.store import StoreError
from mailstack.store.folders import Folder
from tests.aid import run
from tests.clock import START, HandClock
from tests.policy.test_limits import Holdings
from tests.queue.rig import SERVER, MemoryDirectory, a_letter

PEOPLE = MemoryDirectory("bob@home.test", aliases={"loop@home.test": ("loop@home.test",)})


def outcomes(letter: Letter, directory: MemoryDirectory = PEOPLE) -> tuple[Outcome, ...]:
    deliveries = tuple(
        Delivery(letter.id, number, recipient, "local") for number, recipient in enumerate(letter.envelope.recipients)
    )
    return run(DeliveryAgent(directory, SERVER, HandClock()).deliver(letter, deliveries)).outcomes


def test_a_mailbox_gets_the_letter_with_its_trace_fields():
    """SMTP-34."""
    letter = a_letter("Bob@home.test")
    headers = (
        "Return-Path: <alice@home.test>\r\n"
        "Delivered-To: Bob@home.test\r\n"
        f"Received: from {SERVER} by {SERVER} (final delivery)\r\n"
        f"\tid {letter.id} for <Bob@home.test>;\r\n"
        f"\t{date_time(START)}\r\n"
    )
    assert outcomes(letter) == (Delivered(Status(2, 1, 5), "in the mailbox", "", "bob@home.test", headers.encode()),)


def test_the_null_reverse_path_is_kept():
    """SMTP-15."""
    (outcome,) = outcomes(a_letter("bob@home.test", sender=None))
    assert isinstance(outcome, Delivered)
    assert outcome.headers.startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize(("address", "status"), [("nobody@home.test", "5.1.1"), ("loop@home.test", "5.4.6")])
def test_an_address_without_a_mailbox_fails(address, status):
    (outcome,) = outcomes(a_letter(address))
    assert isinstance(outcome, Failed)
    assert str(outcome.status) == status


def test_each_recipient_has_an_outcome():
    found = outcomes(a_letter("bob@home.test", "nobody@home.test"))
    assert [type(outcome) for outcome in found] == [Delivered, Failed]


class BrokenDirectory(MemoryDirectory):
    async def mailbox(self, address: Address) -> str | None:
        raise StoreError("secret details of the disk")


def test_trouble_of_the_store_is_told_to_the_log_only(caplog):
    (outcome,) = outcomes(a_letter("bob@home.test"), BrokenDirectory())
    assert outcome == Deferred(Status(4, 3, 0), "mx.home.test can't look up its mailboxes at present")
    assert "secret details" in caplog.text


class Unreadable:
    size = 10

    async def chunks(self) -> AsyncIterator[bytes]:
        raise AssertionError("the content was read")
        yield b""


def test_the_content_is_not_read():
    (outcome,) = outcomes(replace(a_letter("bob@home.test"), content=Unreadable()))
    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize(("permanent", "kind", "status"), [(False, Deferred, "4.2.2"), (True, Failed, "5.2.2")])
def test_a_full_mailbox_takes_nothing(permanent, kind, status):
    """CODE-05."""
    letter = a_letter("bob@home.test")
    delivery = Delivery(letter.id, 0, letter.envelope.recipients[0], "local")
    for room, expected in ((letter.content.size + 500, Delivered), (letter.content.size, kind)):
        quotas = Quotas(Holdings(0), default=room, permanent=permanent)
        (outcome,) = run(DeliveryAgent(PEOPLE, SERVER, HandClock(), quotas).deliver(letter, (delivery,))).outcomes
        assert isinstance(outcome, expected)
    assert (str(outcome.status), outcome.text) == (status, "the mailbox of bob@home.test is full")


class NamedFolders:
    async def named(self, account: str, name: str, /) -> Folder | None:
        assert account == "bob@home.test"
        return {"Lists": Folder("Lists", "bob@home.test/1"), "INBOX": Folder("INBOX", account)}.get(name)

    async def with_use(self, account: str, use: str, /) -> Folder | None:
        return Folder("Spam", "bob@home.test/2", use) if use == "\\Junk" and account == "bob@home.test" else None


class TaggedDirectory(MemoryDirectory):
    """user+anything@ is user@; postmaster+anything@ is bob."""

    async def mailbox(self, address: Address) -> str | None:
        user = address.local.lower().partition("+")[0]
        return await super().mailbox(address) or ("bob@home.test" if user in {"bob", "postmaster"} else None)


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("bob+Lists@home.test", ("Lists", "bob@home.test/1")),
        ("Bob+Lists@home.test", ("Lists", "bob@home.test/1")),
        ("bob+other@home.test", ("", "")),
        ("bob+INBOX@home.test", ("", "")),
        ("bob+@home.test", ("", "")),
        ("bob@home.test", ("", "")),
        ("ann+Lists@home.test", ("", "")),
        ("postmaster+Lists@home.test", ("", "")),
    ],
)
def test_a_letter_enters_the_folder_that_its_address_names(address: str, folder: tuple[str, str]) -> None:
    """IMAP-125."""
    letter = a_letter(address)
    delivery = Delivery(letter.id, 0, letter.envelope.recipients[0], "local")
    directory = TaggedDirectory("bob@home.test", "ann+lists@home.test")
    agent = DeliveryAgent(directory, SERVER, HandClock(), folders=NamedFolders())
    (outcome,) = run(agent.deliver(letter, (delivery,))).outcomes
    assert isinstance(outcome, Delivered)
    assert (outcome.folder, outcome.folder_mailbox) == folder
    assert outcome.mailbox == ("ann+lists@home.test" if "ann" in address else "bob@home.test")
    (outcome,) = run(DeliveryAgent(directory, SERVER, HandClock()).deliver(letter, (delivery,))).outcomes
    assert isinstance(outcome, Delivered)
    assert outcome.folder == ""


@pytest.mark.parametrize("address", ["bob@home.test", "bob+Lists@home.test", "postmaster+Lists@home.test"])
@pytest.mark.parametrize("on", [True, False])
def test_a_letter_with_a_bad_verdict_enters_the_folder_for_junk(address: str, *, on: bool) -> None:
    """IMAP-125."""
    letter = a_letter(address)
    letter = replace(letter, arrival=replace(letter.arrival, is_junk=True))
    delivery = Delivery(letter.id, 0, letter.envelope.recipients[0], "local")
    agent = DeliveryAgent(
        TaggedDirectory("bob@home.test"), SERVER, HandClock(), folders=NamedFolders(), by_name=False, by_verdict=on
    )
    (outcome,) = run(agent.deliver(letter, (delivery,))).outcomes
    assert isinstance(outcome, Delivered)
    assert (outcome.folder, outcome.folder_mailbox) == (("Spam", "bob@home.test/2") if on else ("", ""))
