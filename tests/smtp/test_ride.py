"""RFC 2920 §3.1: a letter's MAIL, RCPT and DATA in one piece with the final dot of the letter before."""

from __future__ import annotations

import pytest

from mailstack.between import Between
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.content import Octets
from mailstack.smtp.client import ClientEngine
from mailstack.smtp.commands import Data, EndOfData, Mail, Rcpt
from mailstack.smtp.replies import reply
from mailstack.smtp.sending import SendingSession, Trouble
from mailstack.smtp.server import Capabilities, ServerEngine
from tests.smtp.hosts import QUEUED, UNKNOWN, Host, ScriptedEngine, answer_to, recite
from tests.smtp.pair import CUTS, Wire, at_random, whole

ALICE = Address("alice", "home.test")
FIRST, SECOND, THIRD = (b"Subject: %d\r\n\r\n.dot\r\n" % number for number in (1, 2, 3))
CAPABILITIES = Capabilities("mx.home.test")


def letter(text, *names, body="7BIT"):
    to = tuple(Recipient(Address(name, "elsewhere.test")) for name in names or ("carol",))
    return Envelope(ALICE, (), body), to, Octets(text)


async def one_behind_the_other(session, *letters):
    """What becomes of each, and whether it rode."""
    results, rode = [], []
    prepared = [await session.prepare(*each) for each in letters]
    for number, each in enumerate(prepared):

        def before_dot(_, number=number):
            if number + 1 < len(prepared):
                rode.append(session.ride(prepared[number + 1]))

        try:
            results.append(await session.carry(each, before_dot))
        except Trouble as trouble:
            results.append(trouble)
    return results, rode


class Recorded(Between):
    def __init__(self, peer, sent):
        super().__init__(peer)
        self._sent = sent

    def send(self, octets):
        self._sent.append(octets)
        super().send(octets)


def talk(*letters, capabilities=CAPABILITIES, cut=whole, answers=answer_to):
    host, client = Host(ServerEngine(capabilities), answers), ClientEngine()
    wire = Wire(client, host.engine, cut)
    sent = []
    session = SendingSession(Recorded(wire.client, sent), client, "client.test")

    async def conversation():
        await session.open()
        result = await one_behind_the_other(session, *letters)
        await session.quit()
        return result

    (results, rode), _ = wire.converse(conversation(), host.serve(wire.server))
    return results, rode, host, sent, session


def hear_from(script, *letters):
    """The same with a scripted host, and the lines that it heard."""
    scripted, client = ScriptedEngine(), ClientEngine()
    wire = Wire(client, scripted)
    session = SendingSession(wire.client, client, "client.test")

    async def conversation():
        await session.open()
        try:
            return await one_behind_the_other(session, *letters)
        finally:
            wire.client.close()

    greeting = b"220 mx.odd.test\r\n"
    hello = (b"EHLO", b"250-mx.odd.test\r\n250 PIPELINING\r\n")
    (results, rode), _ = wire.converse(conversation(), recite(wire.server, greeting, [hello, *script]))
    return results, rode, scripted.heard


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_each_letter_arrives_as_it_was_with_a_piece_less(cut):
    results, rode, host, sent, session = talk(letter(FIRST), letter(SECOND), letter(THIRD), cut=cut)
    assert results == [(QUEUED,)] * 3
    assert rode == [True, True]
    assert host.letters == [FIRST, SECOND, THIRD]
    # EHLO, the first group, three contents, QUIT.
    assert len(sent) == 6
    assert sent[2].endswith(
        b"\r\n.\r\nMAIL FROM:<alice@home.test> SIZE=20\r\nRCPT TO:<carol@elsewhere.test>\r\nDATA\r\n"
    )
    assert [line[:7] for line in session.dialogue if line.startswith("C: ")][1:9] == [
        "C: MAIL", "C: RCPT", "C: DATA", "C: (20 ", "C: MAIL", "C: RCPT", "C: DATA", "C: (20 ",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_in_any_cut_replies_are_matched_in_order(seed):
    letters = letter(FIRST), letter(SECOND, "nobody", "carol"), letter(THIRD, "nobody", "nowhere"), letter(FIRST)
    results, _, host, _, _ = talk(*letters, cut=at_random(seed))
    assert results == [(QUEUED,), (UNKNOWN, QUEUED), (UNKNOWN, UNKNOWN), (QUEUED,)]
    assert host.letters == [FIRST, SECOND, FIRST]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (EndOfData, reply(451, "4.3.0", "not now")),
        (EndOfData, reply(554, "5.7.1", "not this one")),
    ],
)
def test_what_becomes_of_a_letter_is_no_matter_of_the_one_behind(event, said):
    first = []

    def answers(each):
        if isinstance(each, event) and not first:
            first.append(each)
            return said
        return answer_to(each)

    results, rode, host, _, _ = talk(letter(FIRST), letter(SECOND), answers=answers)
    assert (results, rode) == ([(said,), (QUEUED,)], [True])
    assert host.letters == [SECOND]


@pytest.mark.parametrize("event", [Mail, Rcpt, Data])
@pytest.mark.parametrize("code", [451, 554])
def test_a_letter_behind_is_refused_as_any_other_and_the_next_one_goes(event, code):
    refusal = reply(code, f"{code // 100}.3.0", "no")
    counted = []

    def answers(each):
        if isinstance(each, event):
            counted.append(each)
            if len(counted) == 2:
                return refusal
        return answer_to(each)

    results, rode, host, _, _ = talk(letter(FIRST), letter(SECOND), letter(THIRD), answers=answers)
    assert results == [(QUEUED,), (refusal,), (QUEUED,)]
    assert rode == [True]  # nothing rides behind a letter without content
    assert host.letters == [FIRST, THIRD]


def test_354_for_nobody_is_answered_with_a_lone_dot():
    """RFC 2920 §3.1: and it is not a place to ride behind."""
    results, rode, heard = hear_from(
        [
            (b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"),
            (b".", b"250 queued\r\n"),
            (b"DATA", b"250 ok\r\n550 no\r\n354 go\r\n"),
            (b".", b"554 nobody\r\n"),
            (b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"),
            (b".", b"250 queued\r\n"),
        ],
        letter(b"a\r\n"),
        letter(b"b\r\n"),
        letter(b"c\r\n"),
    )
    assert [each[0].code for each in results] == [250, 550, 250]
    assert rode == [True]
    assert heard.count(b".") == 3
    assert b"b" not in heard


def test_a_chunked_letter_may_ride_and_nothing_rides_behind_it():
    """RFC 3030 §2: what a refused BDAT leaves behind is indeterminate."""
    binary = b"Subject: x\r\n\r\n\0\n"
    results, rode, host, sent, _ = talk(letter(FIRST), letter(binary, body="BINARYMIME"), letter(THIRD))
    assert results == [(QUEUED,)] * 3
    assert rode == [True]
    assert host.letters == [FIRST, binary, THIRD]
    assert sent[2].endswith(b"BODY=BINARYMIME\r\nRCPT TO:<carol@elsewhere.test>\r\n")


def test_nothing_rides_where_pipelining_is_not_offered():
    """RFC 2920 §3.1."""
    capabilities = Capabilities("mx.home.test", withheld=frozenset({"PIPELINING"}))
    results, rode, host, _, _ = talk(letter(FIRST), letter(SECOND), capabilities=capabilities)
    assert (results, rode) == ([(QUEUED,)] * 2, [False])
    assert host.letters == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        (b"500 what?\r\n503 no MAIL\r\n503 no RCPT\r\n", "rcpt"),
        (b"250 ok\r\n503 no MAIL\r\n503 no RCPT\r\n", "rcpt"),
        (b"250 ok\r\n250 ok\r\n500 what?\r\n", "data"),
    ],
)
def test_a_host_that_lost_a_part_of_the_group_has_not_decided_about_the_letter(said, stage):
    (first, second), rode, _ = hear_from(
        [(b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b".", b"250 queued\r\n"), (b"DATA", said)],
        letter(FIRST),
        letter(SECOND),
    )
    assert first[0].code == 250
    assert rode == [True]
    assert isinstance(second, Trouble)
    assert (second.stage, second.reply) == (stage, None)


@pytest.mark.parametrize("said", [b"503 5.5.1 out of order\r\n", b"554 5.5.0 protocol synchronization\r\n"])
def test_a_host_that_says_so_to_the_dot_has_not_decided_about_the_letter_that_it_ends(said):
    first, second = [(b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b".", said)], (b"never", b"")
    (alone,), _, _ = hear_from(first, letter(FIRST))
    assert alone[0].code == int(said[:3])
    (stumbled, _), rode, _ = hear_from([*first, second], letter(FIRST), letter(SECOND))
    assert rode == [True]
    assert isinstance(stumbled, Trouble)
    assert (stumbled.stage, stumbled.reply) == ("data", None)


@pytest.mark.parametrize("stage", ["mail", "data"])
def test_554_of_the_protocol_to_a_letter_that_rode_is_of_the_group(stage):
    said = b"554 5.5.1 not so fast\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n"
    if stage == "data":
        said = b"250 ok\r\n250 ok\r\n554 5.5.1 not so fast\r\n"
    (first, second), _, _ = hear_from(
        [(b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b".", b"250 queued\r\n"), (b"DATA", said)],
        letter(FIRST),
        letter(SECOND),
    )
    assert first[0].code == 250
    assert isinstance(second, Trouble)
    assert second.reply is None


def test_a_host_that_says_so_to_a_letter_of_its_own_has_decided():
    refused, _, _ = hear_from([(b"DATA", b"503 first log in\r\n503 no MAIL\r\n503 no RCPT\r\n")], letter(FIRST))
    assert refused[0][0].code == 503


def test_a_host_that_throws_away_what_rode_is_waited_for_as_any_that_is_silent():
    (first, second), _, _ = hear_from(
        [(b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b".", b"250 queued\r\n"), (b"never", b"")],
        letter(FIRST),
        letter(SECOND),
    )
    assert first[0].code == 250
    assert isinstance(second, Trouble)
    assert (second.stage, second.reply) == ("mail", None)


def test_421_to_the_final_dot_is_of_the_letter_before():
    (first, second), _, _ = hear_from(
        [(b"DATA", b"250 ok\r\n250 ok\r\n354 go\r\n"), (b".", b"421 closing\r\n"), (b"DATA", None)],
        letter(FIRST),
        letter(SECOND),
    )
    assert (first.stage, first.reply.code) == ("final", 421)
    assert (second.stage, second.reply) == ("mail", None)


def test_a_session_that_announced_one_letter_carries_no_other():
    async def work(session):
        one, two, three = [await session.prepare(*letter(text)) for text in (FIRST, SECOND, THIRD)]
        assert not session.ride(two)  # nothing is under way
        await session.carry(one, lambda _: (session.ride(two), session.ride(three)))
        with pytest.raises(Trouble):
            await session.carry(three)
        return await session.carry(two)

    host, client = Host(ServerEngine(CAPABILITIES)), ClientEngine()
    wire = Wire(client, host.engine)
    session = SendingSession(wire.client, client, "client.test")

    async def conversation():
        await session.open()
        result = await work(session)
        await session.quit()
        return result

    result, _ = wire.converse(conversation(), host.serve(wire.server))
    assert result == (QUEUED,)
    assert host.letters == [FIRST, SECOND]
