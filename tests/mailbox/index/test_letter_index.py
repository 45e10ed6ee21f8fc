"""Lists, searches, tags and counts of the index, in memory and on disk."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstack.letter import Address, LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.mailbox.index import writes
from mailstack.mailbox.index.database import Operation
from mailstack.mailbox.index.items import Copy, ItemFilter
from mailstack.mailbox.index.query import BadQuery, parse
from mailstack.store.archive import ARCHIVE
from tests.aid import examples
from tests.mailbox.index.shelf import ALICE, BOB, CAROL, Shelf, check_counts, text, wait_until


def test_a_letter_is_found_as_soon_as_it_is_read(shelf: Shelf) -> None:
    letter = shelf.put(text("Gruß", "Hallo Welt, your code is 123456", Cc="carol@elsewhere.test"))
    (item,) = shelf.items()
    assert (item.id, item.subject, item.snippet) == (letter, "Gruß", "Hallo Welt, your code is 123456")
    assert (item.author and item.author.name, item.to[0].address, item.cc[0].address) == (
        "Alice A",
        "bob@home.test",
        "carol@elsewhere.test",
    )
    assert (item.sender, item.recipients, item.mailboxes) == ("alice@home.test", ("bob@home.test",), ("bob@home.test",))
    assert item.unread
    assert item.size == len(text("Gruß", "Hallo Welt, your code is 123456", Cc="carol@elsewhere.test"))


def test_the_newest_come_first_and_pages_follow_each_other(shelf: Shelf) -> None:
    letters = [shelf.put(text(f"number {n}")) for n in range(5)]
    newest = shelf.run(shelf.index.find(ItemFilter(), 2))
    assert [item.id for item in newest.items] == [letters[4], letters[3]]
    assert (newest.total, newest.unread) == (5, 5)
    rest = shelf.run(shelf.index.find(ItemFilter(before=newest.items[-1].number), 10))
    assert [item.id for item in rest.items] == letters[2::-1]
    assert rest.total == 5
    assert [item.id for item in shelf.run(shelf.index.find(ItemFilter(), 2, 1)).items] == [letters[3], letters[2]]


MATCHING = [
    "straße", "STRASSE", "aß", "ße", '"two words"', "words two", "-absent", "100%", "日本", "本語の", "subject:tw", "inside",
    "tw", "inside -absent", "from:alice", "from:alice@home.test", "from:ALICE@HOME.test", 'from:"Alice A"',
    "from:@home.test", "to:bob@home.test", "to:bob", "cc:dave", "bcc:carol@elsewhere.test", "reply-to:desk@home.test",
    "addressed:dave@home.test", "message-id:<one@home.test>", "message-id:one", "larger:10 smaller:1M", "after:1h",
    "is:unread", "is:delivered",
]  # fmt: skip
OTHERS = [
    "xß", "ßx", '"words two"', "-words", "1_0", "subject:inside", "-tw", "-two inside", "from:lice@home.test",
    "from:@ome.test", "to:ob@home.test", "to:carol@elsewhere.test", "bcc:bob", "addressed:nobody@home.test",
    "message-id:two", "larger:1M", "before:1h", "is:queued", "is:read", "is:tagged", "has:attachment", "has:inline",
]  # fmt: skip
"""Queries that do not find the letter of the test."""


def test_filters_find_matching_letters_only(shelf: Shelf) -> None:
    shelf.put(
        text(
            "two words",
            "Inside: Straße 100% 日本語のメール",
            Cc="dave@home.test",
            Reply_To="desk@home.test",
            Message_ID="<one@home.test>",
            **{"Content-Type": "text/plain; charset=utf-8"},
        ),
        to=(BOB, CAROL),
    )
    assert [query for query in MATCHING + OTHERS if shelf.find(query)] == MATCHING


@given(query=st.text(max_size=60) | st.from_regex(r"(larger|smaller|after|before):[0-9]{1,15}[kmgwd]?", fullmatch=True))
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_is_too_odd_for_the_database(shelf: Shelf, query: str) -> None:
    try:
        shelf.find(query)
    except BadQuery:
        return


def test_an_address_is_not_found_within_another(shelf: Shelf) -> None:
    """What users of others had to work round: a@b finds ba@b there."""
    shelf.put(text(To="xbob@home.test"), to=(Address("xbob", "home.test"),))
    mine = shelf.put(text(To="bob@home.test"))
    assert shelf.find("to:bob@home.test") == [mine]
    assert shelf.find(addressed=BOB.key) == [mine]
    assert shelf.find(written_by=ALICE.key)[0] == mine
    assert shelf.find(written_by=BOB.key) == []


def test_attachments_and_inline_parts_are_found(shelf: Shelf) -> None:
    octets = (
        b'From: a@home.test\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nSee.\r\n--x\r\n'
        b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\nPDF\r\n--x--\r\n'
    )
    letter = shelf.put(octets)
    assert shelf.find("has:attachment") == [letter]
    assert shelf.items()[0].attachments == 1


def test_who_has_read_a_letter_says_so(shelf: Shelf) -> None:
    first, second = shelf.put(), shelf.put()
    assert shelf.run(shelf.index.mark(ItemFilter(ids=(first,)), unread=False)) == 1
    assert shelf.run(shelf.index.mark(ItemFilter(ids=(first,)), unread=False)) == 0
    assert (shelf.find("is:read"), shelf.find("is:unread")) == ([first], [second])
    assert shelf.run(shelf.index.find(ItemFilter(), 0)).unread == 1


def test_tags_come_with_a_letter_and_from_people(shelf: Shelf) -> None:
    tagged = Address("bob+news+Blue", "home.test")
    letter = shelf.put(text(X_Tags="Red, two  words,, red", To="bob+news@home.test"), to=(tagged,))
    assert shelf.items()[0].tags == ("Blue", "news", "Red", "two words") or set(shelf.items()[0].tags) == {
        "Blue",
        "news",
        "Red",
        "two words",
    }
    assert shelf.items()[0].mailboxes == (BOB.key,)
    assert shelf.find("tag:RED is:tagged") == [letter]
    which = ItemFilter(ids=(letter,))
    assert shelf.run(shelf.index.tag(which, ["mine"], ["NEWS", "blue"])) == 1
    assert shelf.run(shelf.index.tags()) == {"mine": 1, "Red": 1, "two words": 1}
    shelf.run(shelf.index.rename_tag("red", "Mine"))
    assert shelf.run(shelf.index.tags()) == {"mine": 1, "two words": 1}
    shelf.run(shelf.index.set_tags(which, ["only"]))
    assert shelf.items()[0].tags == ("only",)
    by_tag = ItemFilter(terms=parse("tag:only"))
    assert shelf.run(shelf.index.tag(by_tag, ["other"], ["only"])) == 1
    assert shelf.items()[0].tags == ("other",)
    assert shelf.run(shelf.index.remove_tag("OTHER")) == 1
    assert shelf.find("is:tagged") == []


def test_each_mailbox_has_its_own_view(shelf: Shelf) -> None:
    both = shelf.put(to=(BOB, CAROL), account=ALICE.key)
    carols = shelf.put(to=(CAROL,))
    assert shelf.find(mailbox=BOB.key) == [both]
    assert shelf.find(mailbox=CAROL.key) == [carols, both]
    assert shelf.find(mailbox=ALICE.key) == []
    assert shelf.find(seen_by=ALICE.key) == [both], "who submitted a letter may see it"
    counts = {each.mailbox: (each.total, each.unread) for each in shelf.run(shelf.index.mailboxes())}
    assert counts == {BOB.key: (1, 1), CAROL.key: (2, 2)}


def test_what_is_counted_stays_right_whatever_is_done(shelf: Shelf) -> None:
    index = shelf.index
    first = shelf.put(to=(BOB, CAROL), account=ALICE.key)
    own = shelf.put(to=(ALICE,), account=ALICE.key)
    shelf.put(to=(CAROL,))
    check_counts(shelf)
    shelf.run(index.mark(ItemFilter(ids=(first,)), unread=False))
    check_counts(shelf)
    token = shelf.run(index.soft_delete(ItemFilter(mailbox=CAROL.key))).token
    check_counts(shelf)
    shelf.run(index.mark(ItemFilter(), unread=False))
    shelf.run(index.undelete(token))
    check_counts(shelf)
    for account in (CAROL, ALICE):
        away = shelf.run(index.soft_delete(ItemFilter(seen_by=account.key))).token
        check_counts(shelf)
        shelf.run(index.undelete(away))
        check_counts(shelf)
    shelf.run(index.soft_delete(ItemFilter(ids=(first,), seen_by=BOB.key)))
    shelf.run(index.soft_delete(ItemFilter(ids=(own,))))
    shelf.clock.advance(shelf.retention.undo + 1)
    wait_until(shelf, lambda: _archived(shelf, 2))
    check_counts(shelf)


async def _archived(shelf: Shelf, count: int) -> bool:
    return len(await shelf.store.mailboxes.entries(ARCHIVE, 0, 10)) == count


def test_copy_to_the_sender_is_counted_once(shelf: Shelf) -> None:
    """From then on it is for him, as by an alias of another server."""
    source = shelf.put(to=(BOB,), account=ALICE.key)
    copy = Copy(LetterId("0" * 15), source, (ALICE.key,))
    shelf.run(_write(shelf, lambda connection: writes.add(connection, (), (copy,), 0)))
    assert shelf.find(mailbox=ALICE.key) == [source]
    check_counts(shelf)


async def _write(shelf: Shelf, operation: Operation[None]) -> None:
    await shelf.index._database.write(operation)


def test_all_is_there_after_a_restart_and_what_came_meanwhile(shelf: Shelf) -> None:
    first = shelf.put()
    shelf.run(shelf.index.tag(ItemFilter(), ["kept"]))
    shelf.run(shelf.index.mark(ItemFilter(), unread=False))
    if shelf.directory is None:
        return
    second = shelf.put(settle=False)
    shelf.close()
    shelf.open()
    assert shelf.find() == [second, first]
    assert shelf.find("tag:kept is:read") == [first]


def test_a_lost_index_is_made_anew(shelf: Shelf) -> None:
    letters = [shelf.put() for _ in range(3)]
    if shelf.directory is None:
        return
    shelf.close()
    for file in shelf.directory.glob("index.sqlite3*"):
        file.unlink()
    shelf.open()
    assert shelf.find() == letters[::-1]


def test_the_index_of_another_archive_is_made_anew(shelf: Shelf) -> None:
    shelf.put()
    if shelf.directory is None:
        return
    shelf.close()
    for file in shelf.directory.glob("mailstack.sqlite3*"):
        file.unlink()
    shelf.open()
    assert shelf.find() != [], "nothing says that it is another one, as long as that is empty"
    shelf.close()
    shelf.open()
    other = shelf.put(text("other"))
    shelf.close()
    shelf.open()
    assert shelf.find() == [other]


def test_a_copy_in_another_server_is_no_letter_of_its_own(shelf: Shelf) -> None:
    """Found by Received, sender, recipient and the host that called; its id leads to the letter."""
    source = shelf.put(to=(CAROL,), state=DeliveryState.RELAYED, account=ALICE.key)
    trace = f"Received: from x\r\n\tby mx.home.test with ESMTP\r\n\tid {source} for <c@d>;\r\n\tdate\r\n".encode()
    copy = shelf.put(trace + text(), to=(CAROL,), server="mx.world.test", helo="mx.home.test")
    assert shelf.find() == [source]
    assert shelf.items()[0].copies == (copy,)
    assert shelf.find(ids=(copy,)) == [source]
    item = shelf.run(shelf.index.item(copy))
    assert item is not None
    assert item.id == source
    assert set(shelf.run(shelf.index.records([item]))) == {source, copy}
    assert [entry.letter for entry in shelf.run(shelf.store.mailboxes.entries(ARCHIVE, 0, 10))] == [source]


def test_a_letter_that_only_claims_to_be_a_copy_is_one_of_its_own(shelf: Shelf) -> None:
    """As one that somebody fetched here, and sends again."""
    source = shelf.put(to=(CAROL,), state=DeliveryState.RELAYED, account=ALICE.key)
    trace = f"Received: by mx.home.test with ESMTP id {source};\r\n\tdate\r\n".encode()
    again = [
        shelf.put(trace + text(), to=(CAROL,), helo="app.test"),
        shelf.put(trace + text(), to=(BOB,), helo="mx.home.test"),
        shelf.put(trace + text(), to=(CAROL,), sender=BOB, helo="mx.home.test"),
        shelf.put(trace + text(), to=(CAROL,), account=ALICE.key),
    ]
    assert shelf.find() == [*again[::-1], source]


def test_the_feed_tells_of_letters_and_changes(shelf: Shelf) -> None:
    told: list[str] = []
    stop = shelf.index.feed.subscribe(lambda event: told.append(event.name))
    shelf.put()
    shelf.run(shelf.index.mark(ItemFilter(), unread=False))
    token = shelf.run(shelf.index.soft_delete(ItemFilter())).token
    shelf.run(shelf.index.undelete(token))
    assert told == ["step", "letter", "changed", "deleted", "changed"]
    stop()
    shelf.put()
    assert len(told) == 5


def test_octets_that_are_no_letter_are_found_all_the_same(shelf: Shelf) -> None:
    letters = [
        shelf.put(octets) for octets in (b"\x00\xff\xfe", b"\r\n", b"Subject: " + b"x" * 5000 + b"\r\n\r\n", b"a" * 99)
    ]
    assert shelf.find() == letters[::-1]
