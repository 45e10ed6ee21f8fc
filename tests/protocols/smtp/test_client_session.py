"""SMTP client session against the server engine, in every cut of the octets."""

import base64
import email

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.client_session import SmtpClientSession, SmtpSessionError
from mailstack.protocols.smtp.commands import Auth, AuthResponse, Bdat, Data, EndOfData, Hello, Mail, Rcpt, Reset
from mailstack.protocols.smtp.replies import reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.aid import examples
from tests.protocols.cuts import CUTS, at_random, whole
from tests.protocols.smtp.hosts import CAPABILITIES, QUEUED, UNKNOWN, Host, ScriptedEngine, answer_to, recite
from tests.protocols.smtp.pair import Wire

ALICE = Address("alice", "home.test")
TEXT = b"Subject: x\r\n\r\n.leading dot\r\n..\r\n.\r\nend\r\n"


def recipients(*locals_):
    return tuple(Recipient(Address(local, "elsewhere.test")) for local in locals_)


def envelope(*, body="7BIT", sender=ALICE):
    return Envelope(sender, (), body)


CAROL = recipients("carol")


def talk(work, *, capabilities=CAPABILITIES, cut=whole, answers=answer_to, tls=False, lmtp=False):
    """Result of `work(session)`, the session and the host."""
    host = Host(ServerEngine(capabilities, lmtp=lmtp), answers)
    client = ClientEngine()
    wire = Wire(client, host.engine, cut)
    wire.client.can_start_tls = tls
    session = SmtpClientSession(wire.client, client, "client.test", lmtp=lmtp)

    async def conversation():
        await session.open()
        result = await work(session)
        await session.quit()
        return result

    result, _ = wire.converse(conversation(), host.serve(wire.server))
    return result, session, host


def talk_to_script(script, work=None, greeting=b"220 mx.odd.test\r\n", *, lmtp=False):
    """SmtpSessionError or result with a scripted host, the session, and the lines that the host received."""
    scripted, client = ScriptedEngine(), ClientEngine()
    wire = Wire(client, scripted)
    session = SmtpClientSession(wire.client, client, "client.test", lmtp=lmtp)

    async def conversation():
        try:
            await session.open()
            return await work(session) if work else None
        except SmtpSessionError as trouble:
            return trouble
        finally:
            wire.client.close()

    result, _ = wire.converse(conversation(), recite(wire.server, greeting, script))
    return result, session, scripted.heard


def send(text=TEXT, to=CAROL, **facts):
    return lambda session: session.transact(envelope(**facts), to, Octets(text))


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(
    "withheld", [frozenset(), frozenset({"PIPELINING"}), frozenset({"PIPELINING", "SIZE", "8BITMIME"})]
)
def test_a_letter_arrives_as_it_was(cut, withheld):
    """SMTP-27, SMTP-30, PIPE-02, SMUG-04."""
    capabilities = Capabilities("mx.home.test", withheld=withheld)
    replies, session, host = talk(send(), capabilities=capabilities, cut=cut)
    assert replies == (QUEUED,)
    assert host.letters == [TEXT]
    assert session.dialogue[-1] == "S: 221 2.0.0 mx.home.test goodbye"


@settings(max_examples=examples(50))
@given(st.lists(st.sampled_from([b".", b"..", b"", b"a", b"\xff"]), max_size=6), st.integers(0, 1000))
def test_any_content_arrives_as_it_was_in_any_cut(lines, seed):
    text = b"".join(line + b"\r\n" for line in lines)
    _, _, host = talk(send(text), cut=at_random(seed))
    assert host.letters == [text]


@pytest.mark.parametrize("withheld", [frozenset(), frozenset({"PIPELINING"})])
def test_each_recipient_gets_the_reply_that_decided(withheld):
    """PIPE-03, RLY-09."""
    capabilities = Capabilities("mx.home.test", withheld=withheld)
    replies, _, host = talk(send(to=recipients("carol", "nobody", "dave")), capabilities=capabilities)
    assert replies == (QUEUED, UNKNOWN, QUEUED)
    assert len(host.letters) == 1


@pytest.mark.parametrize("withheld", [frozenset(), frozenset({"PIPELINING"})])
def test_a_session_goes_on_after_a_refused_letter(withheld):
    """RLY-13: several letters over one connection; RSET behind one that was refused."""

    async def work(session):
        return [
            await session.transact(envelope(), recipients("nobody"), Octets(TEXT)),
            await session.transact(envelope(), CAROL, Octets(b"second\r\n")),
            await session.transact(envelope(sender=None), CAROL, Octets(b"third\r\n")),
        ]

    results, _, host = talk(work, capabilities=Capabilities("mx.home.test", withheld=withheld))
    assert results == [(UNKNOWN,), (QUEUED,), (QUEUED,)]
    assert host.letters == [b"second\r\n", b"third\r\n"]
    assert sum(isinstance(event, Reset) for event in host.events) == 1
    assert host.events[-2].size == 7


@pytest.mark.parametrize("seed", range(20))
def test_of_several_letters_replies_are_matched_in_order_in_any_cut(seed):
    async def work(session):
        texts = [b"Subject: %d\r\n\r\n.dot\r\n" % number for number in range(4)]
        named = [("carol",), ("nobody", "carol"), ("nobody", "nowhere"), ("carol",)]
        return [
            await session.transact(envelope(), recipients(*names), Octets(text))
            for names, text in zip(named, texts, strict=True)
        ]

    results, _, host = talk(work, cut=at_random(seed))
    assert results == [(QUEUED,), (UNKNOWN, QUEUED), (UNKNOWN, UNKNOWN), (QUEUED,)]
    assert host.letters == [b"Subject: %d\r\n\r\n.dot\r\n" % number for number in (0, 1, 3)]


REFUSALS = {
    Mail: reply(450, "4.7.1", "not from you"),
    Rcpt: reply(452, "4.5.3", "too many"),
    Data: reply(451, "4.3.0", "not now"),
    EndOfData: reply(554, "5.7.1", "not this"),
}


@pytest.mark.parametrize("withheld", [frozenset(), frozenset({"PIPELINING"})])
@pytest.mark.parametrize("refused", REFUSALS)
def test_a_refusal_at_any_stage_decides_for_all(refused, withheld):
    """RLY-08, RLY-09."""

    def answers(event):
        return REFUSALS[refused] if isinstance(event, refused) else answer_to(event)

    capabilities = Capabilities("mx.home.test", withheld=withheld)
    replies, _, host = talk(send(to=recipients("carol", "dave")), capabilities=capabilities, answers=answers)
    assert replies == (REFUSALS[refused],) * 2
    assert host.letters == []


def test_parameters_are_said_when_they_are_offered():
    """RLY-11."""
    _, _, host = talk(send(body="8BITMIME"))
    assert Mail(ALICE, (), len(TEXT), "8BITMIME") in host.events
    _, _, host = talk(send(body="8BITMIME"), capabilities=Capabilities("x", withheld=frozenset({"SIZE", "8BITMIME"})))
    assert Mail(ALICE, (), None) in host.events


def test_a_letter_that_is_too_large_is_not_even_tried():
    """SIZE-02."""
    (one,), _, host = talk(send(b"x" * 98 + b"\r\n"), capabilities=Capabilities("x", max_size=99))
    assert (one.code, str(one.status)) == (552, "5.3.4")
    assert not any(isinstance(event, Mail) for event in host.events)


GREEN = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n%b\r\ngr\xc3\xbcne Wiese\r\n"
SAFE = GREEN.replace(b"\xc3\xbc", b"=C3=BC") % b"Content-Transfer-Encoding: quoted-printable\r\n"
BINARY = (
    GREEN.replace(b"gr", b"\n\0gr").replace(b"text/plain", b"application/x") % b"Content-Transfer-Encoding: binary\r\n"
)


def hosts_without(*keywords):
    return Capabilities("mx.home.test", withheld=frozenset(keywords))


def test_an_8bit_letter_is_converted_for_a_host_of_7_bits():
    """RLY-24, 8BIT-02."""
    _, _, host = talk(send(GREEN % b"", body="8BITMIME"), capabilities=hosts_without("8BITMIME"))
    assert host.letters == [SAFE]
    assert Mail(ALICE, (), len(SAFE)) in host.events


def test_an_8bit_letter_that_cannot_be_converted_comes_back():
    """RLY-24, 8BIT-02."""
    signed = b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe5\r\n--b--\r\n"
    (one,), _, host = talk(send(signed, body="8BITMIME"), capabilities=hosts_without("8BITMIME"))
    assert (one.code, str(one.status)) == (554, "5.6.3")
    assert not any(isinstance(event, Mail) for event in host.events)


def test_an_8bit_letter_of_ascii_stays_as_it_is():
    """8BIT-02."""
    assert talk(send(body="8BITMIME"), capabilities=hosts_without("8BITMIME"))[2].letters == [TEXT]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("withheld", [(), ("PIPELINING",), ("SIZE",)])
def test_binary_goes_by_bdat_octet_for_octet(cut, withheld):
    """BDAT-01, BDAT-09."""
    to = recipients("carol", "nobody", "dave")
    replies, session, host = talk(send(BINARY, to, body="BINARYMIME"), cut=cut, capabilities=hosts_without(*withheld))
    assert replies == (QUEUED, UNKNOWN, QUEUED)
    assert host.letters == [BINARY]
    assert [event.body for event in host.events if isinstance(event, Mail)] == ["BINARYMIME"]
    assert Bdat(len(BINARY), last=True) in host.events
    assert f"C: BDAT {len(BINARY)} LAST" in session.dialogue


@pytest.mark.parametrize("withheld", [("CHUNKING",), ("BINARYMIME",), ("CHUNKING", "8BITMIME")])
def test_binary_is_converted_for_a_host_that_takes_only_lines(withheld):
    """BDAT-09."""
    _, _, host = talk(send(BINARY, body="BINARYMIME"), capabilities=hosts_without(*withheld))
    (letter,) = host.letters
    assert letter.isascii()
    assert letter.count(b"\n") == letter.count(b"\r\n")
    assert email.message_from_bytes(letter).get_payload(decode=True) == BINARY.partition(b"\r\n\r\n")[2]
    assert not any(isinstance(event, Bdat) for event in host.events)
    body = "7BIT" if "8BITMIME" in withheld else "8BITMIME"
    assert [event.body for event in host.events if isinstance(event, Mail)] == [body]


NO_ROOM = reply(452, "4.3.1", "no room")


@pytest.mark.parametrize(("to", "refusal", "chunks"), [("nobody", UNKNOWN, 0), ("carol", NO_ROOM, 1)])
def test_rset_follows_a_refused_binary_letter(to, refusal, chunks):
    """BDAT-05: no chunk is sent without an accepted recipient."""
    refusals = [NO_ROOM] * chunks

    def answers(event):
        return refusals.pop() if isinstance(event, EndOfData) and refusals else answer_to(event)

    async def work(session):
        first = await session.transact(envelope(body="BINARYMIME"), recipients(to), Octets(BINARY))
        return first, await session.transact(envelope(), CAROL, Octets(TEXT))

    replies, _, host = talk(work, answers=answers)
    assert replies == ((refusal,), (QUEUED,))
    assert sum(isinstance(event, Bdat) for event in host.events) == chunks
    assert Reset() in host.events


def test_a_large_content_goes_in_blocks():
    text = (b"." * 70 + b"\r\n") * 5000
    _, session, host = talk(send(text), capabilities=Capabilities("x"))
    assert host.letters == [text]
    assert f"C: ({len(text):,} octets)" in session.dialogue


def test_starttls_and_ehlo_again():
    """RLY-11, RLY-19, TLS-02."""

    async def work(session):
        before = dict(session.extensions)
        await session.start_tls("mx.home.test", verify=False)
        return before, dict(session.extensions), await session.transact(envelope(), CAROL, Octets(TEXT))

    (before, after, replies), session, host = talk(work)
    assert "STARTTLS" in before
    assert "STARTTLS" not in after
    assert replies == (QUEUED,)
    assert host.engine.tls
    assert sum(isinstance(event, Hello) for event in host.events) == 2
    assert "-- TLS" in session.dialogue


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_authentication_keeps_its_secrets_out_of_the_dialogue(mechanism):
    """RLY-23, AUTH-03, AUTH-05."""
    responses = []
    host = Host(ServerEngine(Capabilities("mx.home.test", mechanisms=(mechanism,))))
    client = ClientEngine()
    wire = Wire(client, host.engine)
    session = SmtpClientSession(wire.client, client, "client.test")

    async def work():
        await session.open()
        await session.authenticate("alice", "secret", allow_clear=True)

    async def serve():
        peer, engine = wire.server, host.engine
        peer.send(engine.greet(reply(220, None, "mx.home.test")))
        for _ in range(4):
            event = await peer.next_event(300)
            if isinstance(event, Auth | AuthResponse):
                responses.append(event.initial if isinstance(event, Auth) else event.response)
            if mechanism == "LOGIN" and isinstance(event, Auth | AuthResponse) and len(responses) < 3:
                peer.send(engine.challenge(b"Username:" if len(responses) == 1 else b"Password:"))
            else:
                peer.send(engine.answer(answer_to(event)))
            if host.engine.authenticated:
                break

    wire.converse(work(), serve())
    assert responses == ([b"\0alice\0secret"] if mechanism == "PLAIN" else [None, b"alice", b"secret"])
    told = "\n".join(session.dialogue)
    assert "C: AUTH PLAIN (…)" in told or "C: (…)" in told
    assert "secret" not in told
    assert base64.b64encode(b"secret").decode() not in told


@pytest.mark.parametrize(
    ("mechanisms", "allow_clear", "code", "reason"),
    [
        (("PLAIN",), False, None, "not sent without TLS"),
        (("CRAM-MD5",), True, None, "no supported AUTH mechanism"),
        (("PLAIN",), True, 535, "refuses the credentials"),
    ],
)
def test_authentication_that_fails_is_trouble(mechanisms, allow_clear, code, reason):
    async def work(session):
        with pytest.raises(SmtpSessionError, match=reason) as trouble:
            await session.authenticate("alice", "secret", allow_clear=allow_clear)
        return trouble.value

    def answers(event):
        return reply(535, "5.7.8", "no") if isinstance(event, Auth) else answer_to(event)

    trouble, _, _ = talk(work, capabilities=Capabilities("x", mechanisms=mechanisms), answers=answers)
    assert trouble.stage == "auth"
    assert (trouble.reply.code if trouble.reply else None) == code


def test_an_answer_that_is_empty_is_a_line_all_the_same():
    """The last response of SCRAM is an empty line (RFC 4954 §4)."""
    script = [
        (b"EHLO", b"250-x\r\n250 AUTH LOGIN\r\n"),
        (b"AUTH LOGIN", b"334 VXNlcm5hbWU6\r\n"),
        (base64.b64encode(b"alice"), b"334 UGFzc3dvcmQ6\r\n"),
        (b"", b"235 2.7.0 welcome\r\n"),
    ]
    result, session, heard = talk_to_script(script, lambda session: session.authenticate("alice", "", allow_clear=True))
    assert result is None
    assert heard[-1] == b""
    assert session.dialogue[-2:] == ["C: (…)", "S: 235 2.7.0 welcome"]
