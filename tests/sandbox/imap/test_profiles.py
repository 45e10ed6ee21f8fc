"""Provider profiles, as a client sees them: each CAPABILITY is true."""

from __future__ import annotations

import pytest

from mailstack.mailbox.imap.capabilities import capabilities_after_login
from mailstack.mailbox.imap.service import ImapLimits
from mailstack.protocols.imap.client import CommandString
from mailstack.protocols.imap.client_session import ImapClientSession, ImapRefused
from mailstack.sandbox.imap.extensions import WITHHELD
from mailstack.sandbox.imap.profiles import PROFILES
from mailstack.sandbox.simulation import Internet
from tests.sandbox.faults.imap_clients import connect, internet_with_imap, opened

HELLO = b"Subject: hello\r\n\r\nHello\r\n"

PROBES: dict[str, bytes] = {
    "ID": b"ID NIL",
    "ENABLE": b"ENABLE X-NOTHING",
    "NAMESPACE": b"NAMESPACE",
    "UIDPLUS": b"UID EXPUNGE 99",
    "MOVE": b"UID MOVE 99 INBOX",
    "CREATE-SPECIAL-USE": b"CREATE Files (USE (\\Archive))",
    "LIST-EXTENDED": b'LIST (SUBSCRIBED) "" *',
    "LIST-STATUS": b'LIST "" * RETURN (STATUS (MESSAGES))',
    "CONDSTORE": b"FETCH 1 (MODSEQ)",
    "QRESYNC": b"UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)",
    "ESEARCH": b"SEARCH RETURN (COUNT) ALL",
    "SEARCHRES": b"SEARCH RETURN (SAVE) ALL",
    "PARTIAL": b"SEARCH RETURN (PARTIAL 1:5) ALL",
    "WITHIN": b"SEARCH YOUNGER 60",
    "SORT": b"SORT (DATE) UTF-8 ALL",
    "SORT=DISPLAY": b"SORT (DISPLAYFROM) UTF-8 ALL",
    "ESORT": b"SORT RETURN (COUNT) (DATE) UTF-8 ALL",
    "CONTEXT=SEARCH": b"SEARCH RETURN (UPDATE) SEEN",
    "CONTEXT=SORT": b"SORT RETURN (UPDATE) (SIZE) UTF-8 SEEN",
    "THREAD=ORDEREDSUBJECT": b"THREAD ORDEREDSUBJECT UTF-8 ALL",
    "THREAD=REFERENCES": b"THREAD REFERENCES UTF-8 ALL",
    "STATUS=SIZE": b"STATUS INBOX (SIZE)",
    "NOTIFY": b"NOTIFY NONE",
    "QUOTA": b"GETQUOTAROOT INBOX",
    "BINARY": b"FETCH 1 (BINARY.PEEK[1])",
    "OBJECTID": b"FETCH 1 (EMAILID)",
    "SAVEDATE": b"FETCH 1 (SAVEDATE)",
    "PREVIEW": b"FETCH 1 (PREVIEW)",
    "APPENDLIMIT": b"STATUS INBOX (APPENDLIMIT)",
    "COMPRESS=DEFLATE": b"COMPRESS X-NOTHING",
    "UNSELECT": b"UNSELECT",
}
"""A command that uses an extension, and is BAD without it."""
ELSEWHERE = {"IDLE", "SASL-IR", "STARTTLS", "LITERAL+", "LITERAL-", "MULTIAPPEND", "REPLACE", "CHILDREN", "SPECIAL-USE"}
WITHOUT_A_COMMAND = {"UTF8=ACCEPT", "IMAP4REV2", "INPROGRESS", "QUOTA=RES-STORAGE", "BINARY.SIZE"}


@pytest.fixture(params=PROFILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def internet(name: str) -> Internet:
    return internet_with_imap(imap_profile=name)


def test_the_probes_are_complete() -> None:
    assert {*PROBES, *ELSEWHERE, *WITHOUT_A_COMMAND} == WITHHELD


def test_every_capability_of_the_server_can_be_withheld() -> None:
    limits = ImapLimits(compression=True)
    names = {
        name.upper().partition("=")[0] if "LIMIT" in name else name.upper() for name in capabilities_after_login(limits)
    }
    assert names - {"IMAP4REV1"} <= WITHHELD, "add these to mailstack/sandbox/imap/extensions.py"


async def is_understood(session: ImapClientSession, command: bytes) -> bool:
    try:
        await session.command(command)
    except ImapRefused as refused:
        return refused.status != "BAD"
    return True


def test_a_listed_extension_works_and_another_one_is_bad(internet: Internet, name: str) -> None:
    async def work(session: ImapClientSession) -> None:
        listed = {each.partition("=")[0] if "LIMIT" in each else each for each in await session.capability()}
        assert listed & WITHHELD == {each.upper() for each in PROFILES[name].offers} & WITHHELD
        if "QRESYNC" in listed:
            await session.enable("QRESYNC")
        for extension, command in PROBES.items():
            assert await is_understood(session, command) == (extension in listed), extension
            await session.noop()

    internet.result_of(work(opened(internet)))


def test_literals_and_idle_follow_the_list(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        listed = await session.capability()
        engine = session._engine
        engine.is_literal_plus = True
        most = 10**6 if "LITERAL+" in listed else 4096 if "LITERAL-" in listed else 0
        for size in (10, 4096, 4097, 20_000):
            command = [b"CREATE", CommandString(b'"' + b"x" * (size - 2) + b"\xff")]
            with pytest.raises(ImapRefused) as refused:
                await session.command(*command)
            is_waited_for = "continuation request" in str(refused.value)
            assert is_waited_for == (size > most), (size, refused.value)
            assert await is_appended(session, size) == (size <= most)
        assert ("IDLE" in listed) == await can_idle(session)

    internet.result_of(work(opened(internet)))


async def is_appended(session: ImapClientSession, size: int) -> bool:
    try:
        await session.append("INBOX", b"x" * size)
    except ImapRefused as refused:
        return refused.status != "BAD"
    return True


async def can_idle(session: ImapClientSession) -> bool:
    async def wait(_: object) -> None:
        return None

    try:
        await session.idle(wait)
    except ImapRefused:
        return False
    return True


def test_sasl_ir_follows_the_list(internet: Internet) -> None:
    async def work() -> None:
        session = await connect(internet)
        is_listed = "SASL-IR" in session.capabilities
        assert await is_understood(session, b"AUTHENTICATE PLAIN AGJvYgBib2I=") == is_listed
        await session.login("bob@b.test", "bob@b.test", "PLAIN")
        assert "IMAP4REV1" in session.capabilities

    internet.result_of(work())


def test_folders_and_their_attributes_follow_the_profile(internet: Internet, name: str) -> None:
    async def work(session: ImapClientSession) -> None:
        listed = await session.capability()
        folders = await session.list_folders()
        attributes = {attribute for folder in folders for attribute in folder.attributes}
        assert ("\\Drafts" in attributes) == ("SPECIAL-USE" in listed)
        assert ("\\HasNoChildren" in attributes) == ("CHILDREN" in listed)
        assert [folder.name for folder in folders] == ["INBOX", *[path for path, _ in PROFILES[name].folders]]

    internet.result_of(work(opened(internet)))


def test_responses_have_codes_of_listed_extensions_only(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        listed = await session.capability()
        code = await session.append("INBOX", HELLO)
        assert code.startswith("APPENDUID ") == ("UIDPLUS" in listed)
        assert (await session.copy("1", "INBOX")).startswith("COPYUID ") == ("UIDPLUS" in listed)
        selected = await session.command(b"SELECT INBOX")
        codes = " ".join(selected.codes)
        assert ("MAILBOXID" in codes) == ("OBJECTID" in listed)
        assert "HIGHESTMODSEQ" not in codes or "CONDSTORE" in listed

    internet.result_of(work(opened(internet)))


def test_enable_follows_the_list(internet: Internet, name: str) -> None:
    async def work(session: ImapClientSession) -> None:
        listed = await session.capability()
        if "ENABLE" not in listed:
            return
        for extension in ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4REV2"):
            result = await session.command(b"ENABLE " + extension.encode())
            answers = result.named("ENABLED")
            if "no-enabled" in PROFILES[name].quirks:
                assert answers == []
            else:
                assert bool(answers[0].values) == (extension in listed)

    internet.result_of(work(opened(internet)))


def test_a_second_message_of_append_follows_the_list(internet: Internet, name: str) -> None:
    async def work(session: ImapClientSession) -> None:
        _, octets = session._engine.command(b"APPEND INBOX {5}")
        for part in (octets, b"Hello {5}\r\n", b"World\r\n"):
            session._peer.send(part)
            await session._peer.next_event(60)

    if "MULTIAPPEND" in PROFILES[name].offers:
        internet.result_of(work(opened(internet)))
        assert internet.result_of(opened(internet).status("INBOX", "MESSAGES")) == {"MESSAGES": 4}
    else:
        session = opened(internet)
        internet.result_of(work(session))
        assert internet.result_of(opened(internet).status("INBOX", "MESSAGES")) == {"MESSAGES": 2}
