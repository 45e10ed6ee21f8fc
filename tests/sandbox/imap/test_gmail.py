"""X-GM-EXT-1: labels, ids and searches of the profile `gmail`."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap.client_session import ImapClientSession, ImapRefused
from mailstack.protocols.imap.command_table import COMMANDS
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError, ImpossibleCommand
from mailstack.sandbox.imap.gmail_commands import extend
from mailstack.sandbox.imap.gmail_query import GmailQueryError, parse_query
from mailstack.sandbox.simulation import Internet
from tests.sandbox.faults.imap_clients import internet_with_imap, log_in, opened

FIRST = b"From: ann@a.test\r\nSubject: Lunch\r\nMessage-ID: <1@a.test>\r\n\r\nAt noon?\r\n"
REPLY = (
    b"From: bob@b.test\r\nSubject: Re: Lunch\r\nMessage-ID: <2@b.test>\r\nIn-Reply-To: <1@a.test>\r\n"
    b"References:\r\n <1@a.test>\r\n\r\nYes, at noon.\r\n"
)
OTHER = (
    b"From: eve@e.test\r\nSubject: Invoice {9}\r\nMessage-ID: <3@e.test>\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nPay!\r\n--x--\r\n"
)


@pytest.fixture
def internet() -> Internet:
    internet = internet_with_imap(letters=0, imap_profile="gmail")

    async def fill() -> None:
        session = await log_in(internet)
        for message, flags in ((FIRST, ["\\Seen"]), (REPLY, []), (OTHER, ["\\Flagged"])):
            await session.append("INBOX", message, flags)
        await session.logout()

    internet.result_of(fill())
    return internet


async def fetched(session: ImapClientSession, uids: str, items: str) -> list[dict[str, Any]]:
    return [message.items for message in await session.fetch(uids, items)]


def labels_of(items: dict[str, Any]) -> set[str]:
    return {each.decode() if isinstance(each, bytes) else each for each in items["X-GM-LABELS"]}


def test_a_message_has_one_id_in_all_its_folders(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        first, reply, other = await fetched(session, "1:*", "(X-GM-MSGID X-GM-THRID FLAGS)")
        assert len({items["X-GM-MSGID"] for items in (first, reply, other)}) == 3
        assert all(0 < int(items["X-GM-MSGID"]) < 2**63 for items in (first, reply, other))
        assert first["X-GM-THRID"] == reply["X-GM-THRID"] != other["X-GM-THRID"]
        await session.copy("1", "[Gmail]/Starred")
        await session.select("[Gmail]/Starred")
        (copy,) = await fetched(session, "1:*", "X-GM-MSGID")
        assert copy["X-GM-MSGID"] == first["X-GM-MSGID"]

    internet.result_of(work(opened(internet)))


def test_items_of_gmail_go_with_those_of_imap(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        (items,) = await fetched(session, "3", "(X-GM-LABELS BODY.PEEK[] X-GM-MSGID RFC822.SIZE ENVELOPE)")
        assert items["BODY[]"] == OTHER
        assert {"X-GM-LABELS", "X-GM-MSGID", "RFC822.SIZE", "ENVELOPE", "UID"} == set(items) - {"BODY[]"}
        (field,) = await fetched(session, "1", "BODY.PEEK[HEADER.FIELDS (X-GM-MSGID)]")
        assert "X-GM-MSGID" not in field
        dated = await session.command(b"FETCH 1 (INTERNALDATE X-GM-MSGID FLAGS)")
        assert "X-GM-MSGID" in dated.named("FETCH")[0].values[0]
        by_number = await session.command(b"FETCH 2 (X-GM-THRID)")
        assert by_number.named("FETCH")[0].number == 2

    internet.result_of(work(opened(internet)))


def test_labels_are_folders(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        result = await session.command(b'UID STORE 1:2 +X-GM-LABELS (Work "Very Important" \\Starred)')
        assert [data.number for data in result.named("FETCH")] == [1, 2]
        first, second, third = await fetched(session, "1:3", "(X-GM-LABELS)")
        assert labels_of(first) == labels_of(second) == {"Work", "Very Important", "\\Starred"}
        assert labels_of(third) == set()
        assert (await session.status("Very Important", "MESSAGES"))["MESSAGES"] == 2
        await session.select("Work")
        assert labels_of((await fetched(session, "1", "X-GM-LABELS"))[0]) == {"\\Inbox", "Very Important", "\\Starred"}
        await session.command(b"STORE 1 -X-GM-LABELS.SILENT (\\Starred)")
        await session.command(b"STORE 1 X-GM-LABELS (&ANw-ber)")
        (labels,) = await fetched(session, "1", "X-GM-LABELS")
        assert labels_of(labels) == {"&ANw-ber"}
        assert (await session.status("Über", "MESSAGES"))["MESSAGES"] == 1
        assert (await session.status("INBOX", "MESSAGES"))["MESSAGES"] == 2

    internet.result_of(work(opened(internet)))


def test_a_message_without_its_last_label_is_in_all_mail(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        await session.command(b"UID STORE 1 -X-GM-LABELS (\\Inbox)")
        assert await session.search(b"ALL") == [2, 3]
        (selected,) = [await session.select("[Gmail]/All Mail")]
        assert selected.messages == 1
        assert (await fetched(session, "1", "BODY.PEEK[]"))[0]["BODY[]"] == FIRST

    internet.result_of(work(opened(internet)))


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("lunch", [1, 2]),
        ("lunch -yes", [1]),
        ("from:ann OR from:eve", [1, 3]),
        ("{from:ann from:eve} noon", [1]),
        ("subject:(lunch re)", [2]),
        ('subject:"re: lunch"', [2]),
        ("is:unread", [2, 3]),
        ("is:starred", [3]),
        ("has:attachment", [3]),
        ("larger:1M", []),
        ("smaller:1M", [1, 2, 3]),
        ("newer_than:1d", [1, 2, 3]),
        ("older_than:1d", []),
        ("after:2000/01/01 before:2001-01-01", []),
        ("rfc822msgid:3@e.test", [3]),
        ("in:anywhere", [1, 2, 3]),
        ("in:inbox", [1, 2, 3]),
        ("label:nothing", []),
        ("-(from:ann)", [2, 3]),
        ("noon (yes", [2]),
        ("", [1, 2, 3]),
    ],
)
def test_the_search_language_of_gmail(internet: Internet, query: str, uids: list[int]) -> None:
    async def work(session: ImapClientSession) -> None:
        quoted = query.replace("\\", "\\\\").replace('"', '\\"')
        assert await session.search(f'X-GM-RAW "{quoted}"'.encode()) == uids

    internet.result_of(work(opened(internet)))


def test_searches_by_ids_and_labels(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        first, _, other = await fetched(session, "1:3", "(X-GM-MSGID X-GM-THRID)")
        assert await session.search(f"X-GM-MSGID {first['X-GM-MSGID']}".encode()) == [1]
        assert await session.search(f"X-GM-THRID {first['X-GM-THRID']} UNSEEN".encode()) == [2]
        await session.command(b"UID STORE 1,3 +X-GM-LABELS Work")
        assert await session.search(b"X-GM-LABELS Work") == [1, 3]
        assert await session.search(b'NOT (X-GM-LABELS "Work") X-GM-RAW lunch') == [2]
        assert await session.search(b'OR X-GM-RAW "label:work" X-GM-RAW re') == [1, 2, 3]
        assert await session.search(b'SUBJECT "X-GM-RAW lunch"') == []
        assert await session.search(b"X-GM-MSGID 1") == []
        assert await session.search(f"NOT X-GM-THRID {other['X-GM-THRID']}".encode()) == [1, 2]

    internet.result_of(work(opened(internet)))


@pytest.mark.parametrize(
    "command",
    [
        b"FETCH 1 (X-GM-NOTHING)",
        b"FETCH 1 (X-GM-MSGID",
        b"UID STORE 1 +X-GM-LABELS",
        b"UID STORE 1 +X-GM-LABELS (\\Nothing)",
        b"UID STORE 1 +X-GM-LABELS (a",
        b"UID STORE 1 +X-GM-LABELS (a//b)",
        b"SEARCH X-GM-MSGID abc",
        b"SEARCH X-GM-RAW",
        b"SEARCH X-GM-RAW " + b'"' + b"a " * 300 + b'"',
        b"SEARCH X-GM-RAW " + b'"' + b"(" * 100 + b'"',
    ],
)
def test_what_is_malformed_is_bad(internet: Internet, command: bytes) -> None:
    async def work(session: ImapClientSession) -> None:
        with pytest.raises(ImapRefused) as refused:
            await session.command(command)
        assert refused.value.status == "BAD"
        assert len(await session.search(b"ALL")) == 3

    internet.result_of(work(opened(internet)))


@given(st.text(st.sampled_from('ab -:"(){}OR'), max_size=80))
def test_any_query_has_a_key_or_is_refused(text: str) -> None:
    with contextlib.suppress(GmailQueryError):
        parse_query(text)


words = st.sampled_from(
    [
        b"X-GM-RAW",
        b"X-GM-MSGID",
        b"X-GM-LABELS",
        b"+X-GM-LABELS",
        b"1",
        b"(",
        b")",
        b'"a',
        b'"',
        b"{3}\r\n",
        b"\\Inbox",
        b"UID",
    ]
)


@given(st.sampled_from([b"FETCH", b"STORE", b"SEARCH", b"UID"]), st.lists(words, max_size=12).map(b" ".join))
def test_any_arguments_are_a_command_or_malformed(name: bytes, arguments: bytes) -> None:
    _, grammar = extend(COMMANDS)[name]
    for octets in (arguments, b"FETCH 1 " + arguments, b"1 " + arguments):
        with contextlib.suppress(ImapGrammarError, ImpossibleCommand):
            assert grammar(CommandReader(b"a " + name + b" " + octets, 2 + len(name)), "a").tag == "a"


def test_other_profiles_have_none_of_it() -> None:
    internet = internet_with_imap(imap_profile="dovecot")
    session = opened(internet)
    for command in (b"FETCH 1 X-GM-MSGID", b"SEARCH X-GM-RAW lunch", b"STORE 1 +X-GM-LABELS (a)"):
        with pytest.raises(ImapRefused):
            internet.result_of(session.command(command))
