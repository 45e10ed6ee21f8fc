"""Habits of providers that no capability reveals."""

from __future__ import annotations

import imaplib
import re

import pytest

from mailstack.protocols.imap.client_session import ImapClientSession, ImapRefused
from mailstack.sandbox.imap.profiles import PROFILES, find_profile
from mailstack.sandbox.simulation import Internet
from mailstack.testing import LocalMailServer
from tests.sandbox.faults.imap_clients import connect, internet_with_imap, log_in, opened

HELLO = b"Subject: hello\r\n\r\nHello\r\n"


@pytest.mark.parametrize("name", PROFILES)
def test_greeting_and_id_are_those_of_the_provider(name: str) -> None:
    internet, profile = internet_with_imap(imap_profile=name), PROFILES[name]

    async def work() -> None:
        session = await connect(internet)
        assert profile.greeting in internet.transcript
        await session.login("bob@b.test", "bob@b.test")
        if "ID" not in profile.offers:
            return
        (data,) = (await session.command(b"ID NIL")).named("ID")
        fields = data.values[0]
        assert fields == (tuple([part.encode() for pair in profile.id for part in pair]) or None)

    internet.result_of(work())
    greeting = next(line for line in str(internet.transcript).splitlines() if profile.greeting in line)
    assert ("CAPABILITY" in greeting) == profile.lists_unasked


def test_icloud_enables_without_a_word() -> None:
    internet = internet_with_imap(imap_profile="icloud")

    async def work(session: ImapClientSession) -> None:
        assert (await session.select("INBOX")).modseq == 0
        assert (await session.command(b"ENABLE QRESYNC")).data == []
        assert (await session.select("INBOX")).modseq > 0
        assert (await session.command(b"SELECT INBOX (QRESYNC (1 1))")).response.status == "OK"

    internet.result_of(work(internet.result_of(log_in(internet))))


def test_icloud_counts_instead_of_searching_and_lacks_sizes() -> None:
    async def work(session: ImapClientSession) -> None:
        (data,) = (await session.command(b"UID SEARCH RETURN (MIN MAX ALL) ALL")).named("ESEARCH")
        assert data.values[1:] == ("UID", "COUNT", "2")
        assert await session.search(b"ALL") == [1, 2]
        with pytest.raises(ImapRefused) as refused:
            await session.fetch("1", "BINARY.SIZE[1]")
        assert refused.value.status == "BAD"
        await session.fetch("1", "BINARY.PEEK[1]")
        (message,) = await session.fetch("1", "(RFC822 FLAGS)")
        assert set(message.items) == {"UID", "FLAGS"}
        (bare,) = (await session.command(b"FETCH 1 (RFC822)")).named("FETCH")
        assert bare.values == ((),)

    internet = internet_with_imap(imap_profile="icloud")
    internet.result_of(work(opened(internet)))


def test_lsub_of_icloud_has_what_clients_subscribed_only() -> None:
    async def work(session: ImapClientSession) -> None:
        await session.create("Travel")
        await session.subscribe("Travel")
        listed = (await session.command(b'LSUB "" *')).named("LSUB")
        assert [data.values[2] for data in listed] == ["Travel"]
        assert len(await session.list_folders()) == 7

    internet = internet_with_imap(imap_profile="icloud")
    internet.result_of(work(opened(internet)))


@pytest.mark.parametrize("command", [b"SELECT", b"STATUS %b (MESSAGES)", b"COPY 1", b"DELETE"])
def test_the_parent_of_gmails_folders_can_not_be_selected(command: bytes) -> None:
    async def work(session: ImapClientSession) -> None:
        (parent,) = await session.list_folders(pattern="[Gmail]")
        assert set(parent.attributes) == {"\\HasChildren", "\\Noselect"}
        words = command.replace(b"%b", b'"[Gmail]"') if b"%b" in command else command + b' "[Gmail]"'
        with pytest.raises(ImapRefused) as refused:
            await session.command(words)
        assert (refused.value.status, refused.value.code) == ("NO", "NONEXISTENT")
        await session.select("[Gmail]/All Mail")
        listed = (await session.command(b'LIST "" * RETURN (STATUS (MESSAGES))')).named("STATUS")
        assert '"[Gmail]"' not in [data.values[0] for data in listed]
        assert len(listed) == 8

    internet = internet_with_imap(imap_profile="gmail")
    internet.result_of(work(opened(internet)))


def test_microsofts_servers_keep_no_keywords() -> None:
    async def work(session: ImapClientSession) -> None:
        assert "\\*" not in (await session.select("INBOX")).permanent_flags
        await session.store("1", "+FLAGS", ["\\Flagged", "Work", "$MDNSent"])
        await session.append("INBOX", HELLO, ["\\Seen", "Work"])
        first, third = await session.fetch("1,3", "FLAGS")
        assert set(first.items["FLAGS"]) - {"\\Recent"} == {"\\Flagged", "$MDNSent"}
        assert set(third.items["FLAGS"]) - {"\\Recent"} == {"\\Seen"}

    internet = internet_with_imap(imap_profile="outlook")
    internet.result_of(work(opened(internet)))


def test_faults_and_profiles_go_together() -> None:
    internet = internet_with_imap(imap_profile="dovecot")
    session = opened(internet)
    internet.faults.add({"at": "imap.noop", "untagged": "* OK [ALERT] hello", "times": 1})
    internet.faults.add({"at": "imap.search", "reply": "NO [LIMIT] too often"})
    assert internet.result_of(session.noop()).codes == ["ALERT"]
    with pytest.raises(ImapRefused, match="too often"):
        internet.result_of(session.search(b"ALL"))


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    for start in (lambda: LocalMailServer(imap_profile="gmial"), lambda: find_profile("gmial")):
        with pytest.raises(ValueError, match="imap_profile 'gmial': unknown; use one of gmail, icloud"):
            start()
    with pytest.raises(ValueError, match="use one of"):
        Internet().host("mx.a.test", imap_profile="gmial")


@pytest.mark.parametrize("name", PROFILES)
def test_pythons_own_client_works_with_each_provider(name: str) -> None:
    with (
        LocalMailServer(imap_profile=name) as server,
        imaplib.IMAP4_SSL(server.imaps.host, server.imaps.port, ssl_context=server.ssl_context) as client,
    ):
        client.login("alice@home.test", "alice")
        assert client.append("INBOX", "", "", HELLO)[0] == "OK"
        assert client.select("INBOX") == ("OK", [b"1"])
        assert client.search(None, "ALL") == ("OK", [b"1"])
        status, data = client.fetch("1", "(BODY[])")
        assert (status, data[0][1]) == ("OK", HELLO)
        status, lines = client.list()
        names = [re.search(rb'"/" (.*)', line)[1].strip(b'"').decode() for line in lines]  # type: ignore[index]
        assert (status, names) == ("OK", ["INBOX", *[path for path, _ in PROFILES[name].folders]])
