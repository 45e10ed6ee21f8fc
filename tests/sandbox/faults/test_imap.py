"""Faults of an IMAP server, as its clients see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.imap.client_session import ImapClientSession, ImapConnectionLost, ImapRefused
from mailstack.sandbox.faults import Fault, alert, cut_literal, new_validity, over_quota
from mailstack.sandbox.simulation import Internet
from tests.sandbox.faults.imap_clients import connect, internet_with_imap, log_in, opened

HELLO = b"Subject: hello\r\n\r\nHello\r\n"


@pytest.fixture
def internet() -> Internet:
    return internet_with_imap()


COMMANDS: dict[str, Callable[[ImapClientSession], Awaitable[Any]]] = {
    "capability": lambda session: session.capability(),
    "id": lambda session: session.command(b"ID NIL"),
    "enable": lambda session: session.enable("CONDSTORE"),
    "noop": lambda session: session.noop(),
    "namespace": lambda session: session.command(b"NAMESPACE"),
    "quota": lambda session: session.command(b"GETQUOTAROOT INBOX"),
    "list": lambda session: session.list_folders(),
    "lsub": lambda session: session.command(b'LSUB "" *'),
    "status": lambda session: session.status("Sent", "MESSAGES"),
    "subscribe": lambda session: session.subscribe("Sent"),
    "create": lambda session: session.create("Work"),
    "rename": lambda session: session.rename("Work", "Play"),
    "delete": lambda session: session.delete("Play"),
    "append": lambda session: session.append("Sent", HELLO),
    "select": lambda session: session.select("INBOX"),
    "search": lambda session: session.search(b"ALL"),
    "sort": lambda session: session.command(b"UID SORT (DATE) UTF-8 ALL"),
    "thread": lambda session: session.command(b"UID THREAD REFERENCES UTF-8 ALL"),
    "fetch": lambda session: session.fetch("1", "(FLAGS BODY.PEEK[])"),
    "store": lambda session: session.store("1", "+FLAGS", ["\\Seen"]),
    "copy": lambda session: session.copy("1", "Sent"),
    "move": lambda session: session.move("1", "Trash"),
    "expunge": lambda session: session.expunge(),
    "close": lambda session: session.command(b"CLOSE"),
}
"""A command of each step, in an order in which each of them succeeds."""


def test_a_reply_at_any_command_takes_its_place_once(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        for step, ask in COMMANDS.items():
            internet.faults.add(Fault(at=f"imap.{step}", reply=f"NO [UNAVAILABLE] no {step} now", times=1))
            with pytest.raises(ImapRefused, match=f"no {step} now") as refused:
                await ask(session)
            assert refused.value.code == "UNAVAILABLE"
            await ask(session)

    internet.result_of(work(opened(internet)))


def test_a_delay_at_any_command_is_only_that(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        for step, ask in COMMANDS.items():
            internet.faults.add(Fault(at=f"imap.{step}", delay="5m", times=1))
            before = internet.now
            await ask(session)
            assert 300 <= internet.now - before < 301, step

    internet.result_of(work(opened(internet)))


@pytest.mark.parametrize("step", COMMANDS)
def test_a_connection_that_breaks_before_or_after_the_answer(internet: Internet, step: str) -> None:
    async def prepare() -> ImapClientSession:
        session = await log_in(internet)
        await session.select("INBOX")
        for name in ("Work",) if step == "rename" else ("Play",) if step == "delete" else ():
            await session.create(name)
        return session

    for drop, command in (("before", COMMANDS[step]), ("after", COMMANDS["noop"])):
        at = step if drop == "before" else "noop"
        session = internet.result_of(prepare()) if drop == "before" else opened(internet)
        internet.faults.add(Fault(at=f"imap.{at}", drop=drop, times=1))  # type: ignore[arg-type]
        if drop == "before":
            with pytest.raises(ImapConnectionLost):
                internet.result_of(command(session))
        else:
            internet.result_of(command(session))
            with pytest.raises(ImapConnectionLost):
                internet.result_of(session.noop())
    opened(internet)


def test_a_lost_answer_to_append_has_stored_the_message(internet: Internet) -> None:
    internet.faults.add(Fault(at="imap.append", drop="before", times=1))
    with pytest.raises(ImapConnectionLost):
        internet.result_of(opened(internet).append("Sent", HELLO))
    assert internet.result_of(opened(internet).status("Sent", "MESSAGES")) == {"MESSAGES": 1}


@pytest.mark.parametrize(
    "reply", ["NO [AUTHENTICATIONFAILED] wrong", "NO [UNAVAILABLE] later", "BAD what?", "* BYE [UNAVAILABLE] full"]
)
@pytest.mark.parametrize("mechanism", [None, "PLAIN"])
def test_a_login_that_fails(internet: Internet, reply: str, mechanism: str | None) -> None:
    async def attempt() -> None:
        session = await connect(internet)
        await session.login("bob@b.test", "bob@b.test", mechanism)

    rule = internet.faults.add(Fault(at="imap.login", reply=reply, times=1))
    with pytest.raises((ImapRefused, ImapConnectionLost)):
        internet.result_of(attempt())
    assert internet.faults.fired(rule.id) == 1
    internet.result_of(attempt())


def test_bye_at_any_command_ends_the_session(internet: Internet) -> None:
    session = opened(internet)
    internet.faults.add(Fault(at="imap.any", reply="* BYE [UNAVAILABLE] shutting down", times=1))
    with pytest.raises(ImapConnectionLost):
        internet.result_of(session.search(b"ALL"))
    assert "* BYE [UNAVAILABLE] shutting down" in internet.transcript


@pytest.mark.parametrize(
    ("effect", "value"),
    [
        ("reply", "* BYE too busy"),
        ("drop", "before"),
        ("drop", "after"),
        ("silence", True),
        ("garbage", "HTTP/1.1 200\r\n"),
    ],
)
def test_a_fault_of_the_greeting(internet: Internet, effect: str, value: object) -> None:
    internet.faults.add({"at": "imap.connect", "times": 1, effect: value})
    with pytest.raises((ImapConnectionLost, ImapRefused, ConnectFailed)):
        internet.result_of(log_in(internet))
    internet.result_of(log_in(internet))


def test_a_silent_server_is_given_up(internet: Internet) -> None:
    session, before = opened(internet), internet.now
    internet.faults.add(Fault(at="imap.fetch", silence=True, times=1))
    with pytest.raises(ImapConnectionLost):
        internet.result_of(COMMANDS["fetch"](session))
    assert internet.now - before >= 600


def test_garbage_is_no_answer(internet: Internet) -> None:
    internet.faults.add(Fault(at="imap.fetch", garbage="what?\r\n", times=1))
    with pytest.raises(ImapConnectionLost):
        internet.result_of(COMMANDS["fetch"](opened(internet)))


def test_a_literal_that_breaks_off(internet: Internet) -> None:
    internet.faults.add(cut_literal(5000, times=1))
    with pytest.raises(ImapConnectionLost):
        internet.result_of(COMMANDS["fetch"](opened(internet)))
    assert internet.result_of(COMMANDS["fetch"](opened(internet)))


def test_a_literal_that_comes_slowly(internet: Internet) -> None:
    internet.faults.add(Fault(at="imap.fetch", speed=100))
    session, before = opened(internet), internet.now
    (message,) = internet.result_of(session.fetch("1", "BODY.PEEK[]"))
    assert len(message.items["BODY[]"]) / 100 <= internet.now - before < len(message.items["BODY[]"]) / 100 + 5


def test_a_literal_that_breaks_off_slowly(internet: Internet) -> None:
    internet.faults.add(Fault(at="imap.fetch", speed=100, drop="before", octets=3000))
    session, before = opened(internet), internet.now
    with pytest.raises(ImapConnectionLost):
        internet.result_of(session.fetch("1", "BODY.PEEK[]"))
    assert 30 <= internet.now - before < 32


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_lengths_of_literals_that_are_lies(internet: Internet, factor: float) -> None:
    internet.faults.add(Fault(at="imap.fetch", literals=factor, times=1))
    session = opened(internet)
    with pytest.raises(ImapConnectionLost):
        internet.result_of(session.fetch("1", "BODY.PEEK[]"))


def test_sizes_that_are_lies(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        (truth,) = await session.fetch("1", "(RFC822.SIZE)")
        internet.faults.add(Fault(at="imap.fetch", sizes=0.5))
        (lie,) = await session.fetch("1", "(RFC822.SIZE BODY.PEEK[])")
        size = int(truth.items["RFC822.SIZE"])
        assert lie.items["RFC822.SIZE"] == str(size // 2)
        assert len(lie.items["BODY[]"]) == size

    internet.result_of(work(opened(internet)))


def test_a_new_uidvalidity_stays_for_all_sessions(internet: Internet) -> None:
    async def work() -> None:
        session = await log_in(internet)
        before = await session.select("INBOX")
        internet.faults.add(new_validity())
        after = await session.select("INBOX")
        assert after.validity == before.validity + 1
        assert (await session.select("INBOX")).validity == after.validity
        internet.faults.clear()
        other = await log_in(internet)
        await other.enable("QRESYNC")
        assert (await other.status("INBOX", "UIDVALIDITY"))["UIDVALIDITY"] == after.validity
        code = await other.append("INBOX", HELLO)
        assert code == f"APPENDUID {after.validity} 3"
        for validity, is_known in ((before.validity, False), (after.validity, True)):
            answer = await other.command(b"SELECT INBOX (QRESYNC (%d 1))" % validity)
            assert bool(answer.named("FETCH")) == is_known
        assert (await other.select("Sent")).validity != after.validity
        assert (await (await log_in(internet, "amy@b.test")).select("INBOX")).messages == 0

    internet.result_of(work())


def test_a_message_that_is_removed_between_search_and_fetch(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        internet.faults.add(Fault(at="imap.fetch", expunge=True, times=1))
        assert await session.search(b"ALL") == [1, 2]
        messages = await session.fetch("1:2", "BODY.PEEK[]")
        assert [message.items["UID"] for message in messages] == ["2"]
        assert await session.search(b"ALL") == [2]

    internet.result_of(work(opened(internet)))


def test_a_message_number_that_is_removed_before_fetch(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        internet.faults.add(Fault(at="imap.fetch", expunge=True, times=1))
        with pytest.raises(ImapRefused) as refused:
            await session.command(b"FETCH 2 BODY.PEEK[]")
        assert refused.value.code == "EXPUNGEISSUED"
        assert [data.number for data in (await session.noop()).named("EXPUNGE")] == [2]

    internet.result_of(work(opened(internet)))


def test_exists_without_a_message(internet: Internet) -> None:
    async def work(session: ImapClientSession) -> None:
        internet.faults.add(Fault(at="imap.noop", exists=3, times=1))
        (data,) = (await session.noop()).named("EXISTS")
        assert data.number == 5
        assert await session.search(b"ALL") == [1, 2]

    internet.result_of(work(opened(internet)))


def test_an_alert_that_comes_unasked(internet: Internet) -> None:
    session = opened(internet)
    internet.faults.add(alert("the disk is full tomorrow", times=1))
    assert internet.result_of(session.noop()).codes == ["ALERT"]
    assert internet.result_of(session.noop()).codes == []
    assert "* OK [ALERT] the disk is full tomorrow" in internet.transcript


def test_extensions_withdrawn_after_login(internet: Internet) -> None:
    async def work() -> None:
        internet.faults.add(Fault(at="imap.login", without=("MOVE", "IDLE", "CONDSTORE")))
        session = await connect(internet)
        assert {"IDLE", "IMAP4REV2"} <= session.capabilities
        await session.login("bob@b.test", "bob@b.test")
        assert not {"IDLE", "MOVE", "CONDSTORE", "QRESYNC", "IMAP4REV2"} & session.capabilities
        assert {"UIDPLUS", "IMAP4REV1"} <= session.capabilities
        assert session.capabilities == await session.capability()
        assert (await session.select("INBOX")).modseq == 0
        for command in (b"IDLE", b"UID MOVE 1 Sent", b"FETCH 1 MODSEQ"):
            with pytest.raises(ImapRefused) as refused:
                await session.command(command)
            assert refused.value.status == "BAD"
        await session.copy("1", "Sent")

    internet.result_of(work())


def test_extensions_that_are_missing_from_the_start(internet: Internet) -> None:
    internet.faults.add(Fault(at="imap.connect", without=("ID", "LITERAL+")))
    session = internet.result_of(log_in(internet))
    assert not {"ID", "LITERAL+"} & session.capabilities
    internet.result_of(session.append("Sent", HELLO))
    with pytest.raises(ImapRefused):
        internet.result_of(session.command(b"ID NIL"))


def test_an_account_over_quota(internet: Internet) -> None:
    internet.faults.add(over_quota(account="bob@*", folder="Sen?", times=2))

    async def work() -> None:
        session, amy = await log_in(internet), await log_in(internet, "amy@b.test")
        for _ in range(2):
            with pytest.raises(ImapRefused) as refused:
                await session.append("Sent", HELLO)
            assert refused.value.code == "OVERQUOTA"
            await session.append("Drafts", HELLO)
            await amy.append("Sent", HELLO)
        await session.append("Sent", HELLO)

    internet.result_of(work())


def test_every_command_has_a_step_or_belongs_to_any(internet: Internet) -> None:
    """A command without a step of its own is not in the way of a session."""
    session = opened(internet)
    internet.result_of(session.command(b'CANCELUPDATE "A1"'))
    internet.faults.add(Fault(at="imap.any", reply="NO [LIMIT] not now", times=1))
    with pytest.raises(ImapRefused, match="not now"):
        internet.result_of(session.command(b'CANCELUPDATE "A1"'))
    assert internet.result_of(session.search(b"ALL")) == [1, 2]


def test_rules_that_are_done_leave_a_session_as_it_was(internet: Internet) -> None:
    session = opened(internet)
    internet.faults.add(Fault(at="imap.fetch", sizes=3.0, times=1))
    first, second = (internet.result_of(session.fetch("1", "(RFC822.SIZE)")) for _ in range(2))
    assert int(first[0].items["RFC822.SIZE"]) == 3 * int(second[0].items["RFC822.SIZE"])
