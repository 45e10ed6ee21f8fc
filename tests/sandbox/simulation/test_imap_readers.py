"""IMAP readers of a simulated internet: synchronization, IDLE, and long spans of virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.config.imap_settings import ImapSettings
from mailstack.config.mail_sections import DeliverySettings
from mailstack.protocols.imap.client_session import ImapConnectionLost, ImapRefused
from mailstack.sandbox.faults import new_validity
from mailstack.sandbox.simulation import Internet, SimulatedReader

SEEN = frozenset({"\\Seen"})


def internet_of_bob(store: Any = "memory", seed: int = 7) -> Internet:
    internet = Internet(seed)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], store=store)
    return internet


def send(internet: Internet, subject: str) -> None:
    internet.author("bob@b.test").submit(to="bob@b.test", subject=subject, text=subject)
    internet.run()


def send_later(internet: Internet, after: str, subject: str) -> None:
    bob = internet.author("bob@b.test")
    internet.after(after, lambda: bob.submit_async(to="bob@b.test", subject=subject))


async def change(reader: SimulatedReader, uids: str, *flags: str) -> None:
    """Another client sets flags, and removes messages with \\Deleted."""
    session = await reader.imap_session()
    await session.select("INBOX")
    await session.store(uids, "+FLAGS", flags)
    if "\\Deleted" in flags:
        await session.expunge(uids)
    await session.logout()


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("qresync", [False, True])
def test_sync_gives_what_is_new_changed_and_removed(qresync: bool, store: str) -> None:
    internet = internet_of_bob(store)
    reader, other = internet.reader("bob@b.test"), internet.reader("bob@b.test")
    for subject in ("One", "Two", "Three"):
        send(internet, subject)
    first = reader.sync(qresync=qresync)
    assert [message.letter.subject for message in first.new] == ["One", "Two", "Three"]
    assert [message.flags for message in first.messages] == [frozenset()] * 3
    assert (first.changed, first.removed) == ((), ())

    internet.result_of(change(other, "2", "\\Seen"))
    internet.result_of(change(other, "1,3", "\\Deleted"))
    send(internet, "Four")
    second = reader.sync(qresync=qresync)
    assert [(message.uid, message.letter.subject) for message in second.new] == [(4, "Four")]
    assert [(message.uid, message.flags) for message in second.changed] == [(2, SEEN)]
    assert [message.letter.subject for message in second.removed] == ["One", "Three"]
    assert [message.uid for message in second.messages] == [2, 4]
    assert second.modseq > first.modseq

    third = reader.sync(qresync=qresync)
    assert (third.new, third.changed, third.removed) == ((), (), ())
    assert third.messages == second.messages == other.sync(qresync=qresync).new


def test_quick_resynchronization_fetches_changed_messages_only() -> None:
    internet = internet_of_bob()
    reader = internet.reader("bob@b.test")
    for subject in ("One", "Two", "Three"):
        send(internet, subject)
    reader.sync(qresync=True)
    internet.result_of(change(reader, "2", "\\Seen"))
    reader.sync(qresync=True)
    last = str(internet.transcript.dialogues[-1])
    assert "(QRESYNC (" in last
    assert "FETCH 1:*" not in last
    assert last.count(" FETCH (") == 1


@pytest.mark.parametrize("qresync", [False, True])
def test_a_new_uidvalidity_discards_the_copy(qresync: bool) -> None:
    internet = internet_of_bob()
    reader = internet.reader("bob@b.test")
    send(internet, "One")
    first = reader.sync(qresync=qresync)
    internet.faults.add(new_validity())
    second = reader.sync(qresync=qresync)
    assert second.validity == first.validity + 1
    assert second.removed == first.messages
    assert second.new == second.messages
    assert [message.letter.subject for message in second.new] == ["One"]


def test_other_folders_have_copies_of_their_own() -> None:
    internet = internet_of_bob()
    reader = internet.reader("bob@b.test")

    async def keep() -> None:
        session = await reader.imap_session()
        await session.append("Sent", b"Subject: sent\r\n\r\n", ["\\Seen"])

    internet.result_of(keep())
    assert [(message.letter.subject, message.flags) for message in reader.sync("Sent").new] == [("sent", SEEN)]
    assert reader.sync().messages == ()
    assert reader.sync("Sent").new == ()


def test_29_minutes_of_idle_report_a_delivery_amid_them() -> None:
    internet = internet_of_bob()
    reader = internet.reader("bob@b.test")
    before = internet.now
    send_later(internet, "10m", "News")
    news = reader.idle("29m")
    assert 29 * 60 <= internet.now - before < 29 * 60 + 1
    (exists,) = [each for each in news if each.name == "EXISTS"]
    assert exists.number == 1
    assert before + 600 < exists.at < before + 601
    assert [message.letter.subject for message in reader.sync().new] == ["News"]


def test_idle_reports_flags_and_removals() -> None:
    internet = internet_of_bob()
    reader, other = internet.reader("bob@b.test"), internet.reader("bob@b.test")
    for subject in ("One", "Two"):
        send(internet, subject)
    internet.after("1m", lambda: change(other, "2", "\\Seen"))
    internet.after("2m", lambda: change(other, "1", "\\Deleted"))
    news = [each for each in reader.idle("5m") if each.flags or each.name == "EXPUNGE"]
    assert [(each.name, each.number, each.flags & SEEN) for each in news if "\\Deleted" not in each.flags] == [
        ("FETCH", 2, SEEN),
        ("EXPUNGE", 1, frozenset()),
    ]


def test_idle_for_longer_than_30_minutes_is_an_autologout() -> None:
    internet = internet_of_bob()
    before = internet.now
    with pytest.raises(ImapRefused, match="autologout"):
        internet.reader("bob@b.test").idle("1h", renewal="1h")
    assert 1800 <= internet.now - before < 1801
    internet.reader("bob@b.test").idle("1h")


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_day_in_idle_has_few_calls(store: str) -> None:
    """Calls are those of the session and its server; a poll of the store each quarter of a second has 345,600."""
    internet = internet_of_bob(store)
    reader = internet.reader("bob@b.test")
    send_later(internet, "1430m", "Late")
    calls = internet.reactor._loop.clock.order
    news = reader.idle("1d")
    assert 86400 <= internet.now < 86402
    assert [each.number for each in news if each.name == "EXISTS"] == [1]
    assert internet.reactor._loop.clock.order - calls < 12_000


def test_idle_lasts_longer_than_any_other_call() -> None:
    """One call runs for at most 30 days, but for IDLE, which has its own span."""
    internet = Internet(7, transcript=0)
    imap = ImapSettings(keep_alive=3600, idle_timeout=86400)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], imap=imap)
    before = internet.now
    assert internet.reader("bob@b.test").idle("31d", renewal="9m") == []
    assert internet.now - before >= 31 * 86400


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_reader_returns_after_30_days(store: str) -> None:
    internet = internet_of_bob(store)
    reader, other = internet.reader("bob@b.test"), internet.reader("bob@b.test")
    for subject in ("One", "Two"):
        send(internet, subject)
    reader.sync(qresync=True)
    internet.after("1d", lambda: change(other, "1", "\\Deleted"))
    internet.after("29d", lambda: change(other, "2", "\\Seen"))
    session = internet.result_of(other.imap_session())
    calls = internet.reactor._loop.clock.order
    internet.advance("30d")
    assert internet.reactor._loop.clock.order - calls < 12_000
    with pytest.raises(ImapConnectionLost):
        internet.result_of(session.noop())
    found = reader.sync(qresync=True)
    assert [message.uid for message in found.removed] == [1]
    assert [(message.uid, message.flags) for message in found.changed] == [(2, SEEN)]


def test_the_same_seed_gives_the_same_transcript() -> None:
    def story() -> Internet:
        internet = internet_of_bob()
        reader = internet.reader("bob@b.test")
        send_later(internet, "10m", "News")
        reader.idle("1h")
        reader.sync(qresync=True)
        return internet

    one, other = story(), story()
    assert one.transcript == other.transcript, one.transcript.diff(other.transcript)
    assert "IDLE" in str(one.transcript)


@pytest.mark.parametrize(("limit", "names"), [(0, []), (1, ["read", "expunged"])])
def test_a_journey_goes_on_at_the_reader(limit: int, names: list[str]) -> None:
    """IMAP-123."""
    internet = Internet(7)
    imap = ImapSettings(journey_messages=limit)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], imap=imap)
    letter = internet.author("bob@b.test").submit(to="bob@b.test", subject="One", text="One")
    internet.run()
    internet.result_of(change(internet.reader("bob@b.test"), "1", "\\Seen", "\\Deleted"))
    steps = internet.journey(letter).only("read", "expunged")
    assert [(step.step, step.facts["by"], step.facts["folder"]) for step in steps] == [
        (name, "bob@b.test", "INBOX") for name in names
    ]


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_an_address_delivers_into_a_folder(store: Any, on: bool) -> None:
    """IMAP-125: from this server and from another one, at once and after an alias; POP3 shows INBOX only."""
    internet = Internet(7)
    delivery = DeliverySettings(subaddress_folders=on)
    aliases = {"sales": ["bob+Lists@b.test"]}
    hosts = {"domains": ["b.test"], "accounts": ["bob@b.test"], "aliases": aliases, "store": store}
    internet.host("mx.b.test", delivery=delivery, **hosts)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
    reader = internet.reader("bob@b.test")

    async def create() -> None:
        session = await reader.imap_session()
        await session.create("Lists")
        await session.logout()

    internet.result_of(create())
    letters = [
        internet.author(author).submit(to=to, subject=f"{number}", text="Hello")
        for number, (author, to) in enumerate(
            (("bob@b.test", "bob+lists@b.test"), ("ann@a.test", "bob+LISTS@b.test"), ("ann@a.test", "sales@b.test"))
        )
    ]
    internet.author("ann@a.test").submit(to="bob+other@b.test", subject="Other", text="Hello")
    internet.run()
    there = [message.letter.subject for message in reader.sync("Lists").messages]
    inbox = [message.letter.subject for message in reader.sync().messages]
    assert sorted(there) == (["0", "1", "2"] if on else [])
    assert sorted(inbox) == (["Other"] if on else ["0", "1", "2", "Other"])
    assert sorted(letter.subject for letter in reader.collect()) == sorted(inbox)
    for letter in letters:
        (step,) = internet.journey(letter).only("delivered")
        assert step.facts.get("folder") == ("Lists" if on else None)
