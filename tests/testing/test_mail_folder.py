"""Folders of a test server, as a program under test reads them."""

from __future__ import annotations

import asyncio
import imaplib
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from mailstack.testing import LocalMailServer, NoSuchFlag, NoSuchMessage
from tests.testing.sending import hand_in
from tests.waiting import until


@contextmanager
def reader(mailstack, user="bob"):
    with imaplib.IMAP4(mailstack.imap.host, mailstack.imap.port, timeout=10) as client:
        client.starttls(mailstack.ssl_context)
        client.login(f"{user}@home.test", user)
        yield client


def test_a_program_reads_what_a_test_delivers(mailstack):
    folder = mailstack.mailbox("bob").folder("INBOX")
    date = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    message = folder.deliver(b"Subject: Ticket\n\nHelp\n", flags=[r"\Flagged", "urgent"], date=date)
    assert (message.flags, message.date) == ({r"\Flagged", "urgent"}, date)
    with reader(mailstack) as client:
        client.select("INBOX")
        _, ((_, octets), _) = client.fetch("1", "(BODY[])")
    assert octets == b"Subject: Ticket\r\n\r\nHelp\r\n" == message.raw
    assert folder.wait_for_flag(message, r"\seen").subject == "Ticket"
    assert [each.uid for each in folder.messages] == [message.uid]


def test_a_message_of_the_email_package_is_delivered(mailstack):
    composed = EmailMessage()
    composed["From"], composed["Subject"] = "Ann <ann@shop.example>", "Réclamation"
    composed.set_content("Où est-il ?\n")
    folder = mailstack.mailbox("carol@elsewhere.test").folder("INBOX")
    message = folder.deliver(composed)
    assert (message.subject, message.text.strip()) == ("Réclamation", "Où est-il ?")
    assert message.senders == {"ann@shop.example"}
    assert b"\n" not in message.raw.replace(b"\r\n", b"")


def test_coroutines_wait_without_blocking_their_loop(mailstack):
    folder = mailstack.mailbox("bob").folder("INBOX")

    async def main():
        waiting = asyncio.ensure_future(folder.wait_for_message_async(subject="ticket"))
        await asyncio.sleep(0)
        await asyncio.to_thread(folder.deliver, b"Subject: A ticket\n\n")
        message = await waiting
        flagged = asyncio.ensure_future(folder.wait_for_flag_async(message, r"\Answered"))
        await asyncio.sleep(0)
        await asyncio.to_thread(answer)
        assert (await flagged).flags == {r"\Answered"}
        with pytest.raises(NoSuchMessage, match=r"`await` wait_for_message_async instead"):
            folder.wait_for_message(subject="Never", timeout=0.01)
        with pytest.raises(NoSuchFlag, match=r"has \\Answered$"):
            await folder.wait_for_flag_async(message, r"\Deleted", timeout=0.01)

    def answer():
        with reader(mailstack) as client:
            client.select("INBOX")
            client.store("1", "+FLAGS", r"(\Answered)")

    asyncio.run(main())


def test_a_message_is_awaited_by_subject_sender_and_an_earlier_message(mailstack):
    folder = mailstack.mailbox("bob").folder("INBOX")
    hand_in(mailstack, "bob@home.test", "Order 7")
    first = folder.wait_for_message(subject=re.compile(r"Order \d"))
    second = folder.deliver(b"From: Ann@Home.test\nSubject: Order 8\n\n")
    assert folder.wait_for_message(sender="ann").uid == folder.wait_for_message(after=first).uid == second.uid
    with pytest.raises(NoSuchMessage, match=r"with sender='zoe' arrived in INBOX within 0.01 s\nThese.*\n.*Order 7"):
        folder.wait_for_message(sender="zoe", timeout=0.01)
    with pytest.raises(NoSuchMessage, match=r"^no message arrived in Sent within 0.01 s$"):
        mailstack.mailbox("bob").folder("Sent").wait_for_message(timeout=0.01)


def test_folders_are_created_and_renamed_for_clients(mailstack):
    mailbox = mailstack.mailbox("bob")
    message = mailbox.create_folder("Projects/2026").deliver(b"Subject: Plan\n\n")
    moved = mailbox.rename_folder("Projects", "Archive/Old")
    assert (moved.name, moved.messages) == ("Archive/Old", [])
    assert [each.raw for each in mailbox.folder("Archive/Old/2026").messages] == [message.raw]
    with reader(mailstack) as client:
        assert client.select("Archive/Old/2026") == ("OK", [b"1"])
    with pytest.raises(ValueError, match=r"create_folder\(\) takes a new name, and bob@home.test has 'Sent'"):
        mailbox.create_folder("Sent")
    with pytest.raises(ValueError, match=r"rename_folder\(\) takes a new name, and bob@home.test has 'INBOX'"):
        mailbox.rename_folder("Sent", "inbox")
    with pytest.raises(ValueError, match="'a//b': the mailbox name is empty, or has an empty level"):
        mailbox.create_folder("a//b")
    with pytest.raises(ValueError, match="can't move 'Archive' below itself"):
        mailbox.rename_folder("Archive", "Archive/New")


def test_errors_name_what_is_there(mailstack):
    with pytest.raises(LookupError, match=r"takes a folder of bob@home.test: INBOX, .*Sent.*not 'Sentt'"):
        mailstack.mailbox("bob").folder("Sentt")
    with pytest.raises(LookupError, match=r"carol@home.test has none: add it by add_account\('carol@home.test', …\)"):
        mailstack.mailbox("carol")
    folder = mailstack.mailbox("bob").folder("Sent")
    with pytest.raises(ValueError, match="Answered"):
        folder.deliver(b"A: b\n\n", flags=[r"\Recent"])
    with pytest.raises(ValueError, match=r"deliver\(\) got too many flags: a mailbox has at most 64 keywords"):
        folder.deliver(b"A: b\n\n", flags=[f"k{number}" for number in range(65)])
    with pytest.raises(TypeError, match="takes a list of flags"):
        folder.deliver(b"A: b\n\n", flags=r"\Seen")
    with pytest.raises(TypeError, match=r"'flag'; expected one of flags, date; did you mean flags\?"):
        folder.deliver(b"A: b\n\n", flag=[r"\Seen"])
    with pytest.raises(TypeError, match=r"takes bytes or an email.message.Message, and got str"):
        folder.deliver("A: b\n\n")
    with pytest.raises(TypeError, match=r"wait_for_message\(\) got an unexpected criterion 'subjct'.*mean subject"):
        folder.wait_for_message(subjct="A")
    assert folder.messages == []
    with pytest.raises(NoSuchFlag, match=r"did not get \\Seen within 0.01 s: it has no flags"):
        folder.wait_for_flag(folder.deliver(b"A: b\n\n"), r"\Seen", timeout=0.01)
    with pytest.raises(ValueError, match=r"wait_for_flag\(\) takes the flags"):
        folder.wait_for_flag(folder.messages[0], r"\Sene")


def test_a_provider_has_its_own_folders_and_limit():
    with LocalMailServer(imap_profile="gmail") as server:
        mailbox = server.mailbox("bob")
        assert "[Gmail]/Sent Mail" in mailbox.folders
        with pytest.raises(ValueError, match="at most 35651584 octets, and got 35651585"):
            mailbox.folder("INBOX").deliver(b"x" * 35_651_585)


@pytest.mark.parametrize(("address", "server"), [("bob@home.test", "mx.home.test"), ("a@b.test", "mx.world.test")])
def test_a_journey_begins_at_the_server_of_the_accounts_domain(mailstack, address, server):
    message = mailstack.mailbox(address).folder("Drafts").deliver(b"Subject: Hello\n\n")
    (step,) = mailstack.journey(message.id)
    assert (step.step, step.server) == ("appended", server)
    assert (step.facts["by"], step.facts["folder"]) == (address, "Drafts")


def test_a_journey_goes_on_in_folders(mailstack):
    """IMAP-123."""
    message = mailstack.mailbox("bob").folder("INBOX").deliver(b"Subject: Hello\n\n")
    with reader(mailstack) as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", "(\\Seen)")
        assert client.uid("MOVE", "1", "Junk")[0] == "OK"
        client.select("Junk")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
    journey = mailstack.journey(message.id)
    assert journey.names == ["appended", "read", "moved", "expunged"]
    assert [step.facts["folder"] for step in journey] == ["INBOX", "INBOX", "Junk", "Junk"]


def test_nothing_of_a_refused_message_is_left(mailstack):
    folder = mailstack.mailbox("bob").create_folder("Gone")
    with reader(mailstack) as client:
        client.delete("Gone")
    with pytest.raises(LookupError, match="takes a folder that exists, and 'Gone' was removed"):
        folder.deliver(b"x" * 5_000_000)
    contents = mailstack._running.data / "contents"
    until(lambda: not [each for each in contents.rglob("*") if each.is_file()], "no content is left")
    mailstack.mailbox("bob").folder().deliver(b"x" * 5_000_000)
    assert [each for each in contents.rglob("*") if each.is_file()]
