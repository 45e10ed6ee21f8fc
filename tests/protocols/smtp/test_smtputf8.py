"""SMTPUTF8 by its octets, at both ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.commands import Expand, Mail, Rcpt, Rejected, Verify
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.smtp.dialogue import Dialogue, after
from tests.protocols.smtp.hosts import QUEUED
from tests.protocols.smtp.test_client_session import talk

SERVER = Capabilities("mx.home.test")
UTF8 = (("SMTPUTF8", ""),)
GRETE = "grüße@bücher.test"
OLD = Capabilities("mx.old.test", withheld=frozenset({"SMTPUTF8", "DSN"}))
NEW = Capabilities("mx.new.test")


def test_the_parameter_lets_addresses_be_utf8():
    """UTF8-01."""
    session = after()
    lines = [
        f"MAIL FROM:<{GRETE}> SMTPUTF8",
        "RCPT TO:<用户@例子.test> ORCPT=utf-8;用户@例子.test",
        "RCPT TO:<a@b.test>",
    ]
    assert [code for code, _ in session.codes(*(line.encode() for line in lines))] == ["250"] * 3
    mail, rcpt, plain = session.events[1:]
    assert mail == Mail(Address("grüße", "bücher.test"), UTF8, None)
    assert mail.smtputf8
    assert rcpt == Rcpt(Address("用户", "例子.test"), (("ORCPT", "utf-8;用户@例子.test"),))
    assert plain == Rcpt(Address("a", "b.test"))


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([f"MAIL FROM:<{GRETE}>"], ("550", "5.6.7")),
        (["MAIL FROM:<>", f"RCPT TO:<{GRETE}>"], ("553", "5.6.7")),
        (["MAIL FROM:<>", "RCPT TO:<a@bücher.test>"], ("553", "5.6.7")),
        (["MAIL FROM:<>", "RCPT TO:<a@b.test> ORCPT=utf-8;ü"], ("553", "5.6.7")),
        (["MAIL FROM:<> SMTPUTF8=1"], ("501", "5.5.4")),
        (["MAIL FROM:<> SMTPUTF8 SMTPUTF8"], ("501", "5.5.4")),
        (["MAIL FROM:<a\u202eb@c.test> SMTPUTF8"], ("501", "5.1.7")),
        (["MAIL FROM:<a@-ü.test> SMTPUTF8"], ("501", "5.1.7")),
        (["MAIL FROM:<> SMTPUTF8", "RCPT TO:<a@ü ü.test>"], ("501", "5.1.3")),
        (["MAIL FROM:<> SMTPUTF8", "RCPT TO:<" + "ü" * 33 + "@b.test>"], ("501", "5.1.3")),
        (["MAIL FROM:<> SMTPUTF8 SIZE=\uff11"], ("501", "5.5.4")),
        (["MAIL FROM:<> SMTPUTF8", "RSET", "MAIL FROM:<>", f"RCPT TO:<{GRETE}>"], ("553", "5.6.7")),
        (["NOOP ü"], ("500", "5.5.2")),
    ],
)
def test_without_it_or_against_the_grammar_they_are_refused(lines, answer):
    """UTF8-02, CODE-24."""
    assert after().codes(*(line.encode() for line in lines))[-1] == answer


@pytest.mark.parametrize("octets", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"])
def test_what_is_not_utf8_is_refused(octets):
    """UTF8-02: RFC 3629 §3."""
    session = after()
    assert session.codes(b"MAIL FROM:<" + octets + b"@b.test> SMTPUTF8") == [("501", "5.1.7")]
    assert session.codes(b"MAIL FROM:<" + octets + b"@b.test>") == [("550", "5.6.7")]
    assert session.codes(b"VRFY " + octets + b" SMTPUTF8") == [("553", "5.6.7")]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("VRFY grüße SMTPUTF8", Verify("grüße")),
        ("EXPN grüße smtputf8", Expand("grüße")),
        ("VRFY alice SMTPUTF8", Verify("alice")),
        ("VRFY SMTPUTF8", Verify("SMTPUTF8")),
        ("VRFY alice", Verify("alice")),
    ],
)
def test_vrfy_and_expn_take_the_parameter(line, event):
    """UTF8-01: RFC 6531 §3.7.4.2."""
    assert after(line.encode()).events[-1] == event


@pytest.mark.parametrize("line", ["VRFY grüße", "EXPN grüße", "VRFY grüße SMTP"])
def test_vrfy_and_expn_need_it(line):
    """UTF8-02."""
    assert after().codes(line.encode()) == [("553", "5.6.7")]


def test_it_is_offered_with_8bitmime_only():
    """UTF8-01: RFC 6531 §3.1."""
    assert b"SMTPUTF8" not in Dialogue(Capabilities("mx", withheld=frozenset({"8BITMIME"}))).say(b"EHLO c.test")


@given(st.binary(max_size=40).filter(lambda octets: b"\r" not in octets and b"\n" not in octets))
def test_any_octets_are_an_address_or_refused(octets):
    """UTF8-01, UTF8-02."""
    session = after(b"MAIL FROM:<" + octets + b"> SMTPUTF8")
    event = session.events[-1]
    assert isinstance(event, Rejected | Mail)
    if isinstance(event, Mail) and event.sender is not None:
        assert Address.parse(str(event.sender)) == event.sender
    session = after(b"MAIL FROM:<> SMTPUTF8", b"RCPT TO:<" + octets + b"@b.test>")
    assert isinstance(session.events[-1], Rejected | Rcpt)


# --- the sending side


def sent(capabilities, sender, recipients, header=b"Subject: x\r\n", parameters=UTF8):
    """The replies, and the MAIL and RCPT that the host heard."""
    named = tuple(Recipient(Address.parse(each)) for each in recipients)
    envelope = Envelope(Address.parse(sender), named, "7BIT", parameters)
    content = Octets(header + b"\r\nhello\r\n")
    replies, _, host = talk(lambda session: session.transact(envelope, named, content), capabilities=capabilities)
    return replies, [event for event in host.events if isinstance(event, Mail | Rcpt)], host.letters


def test_a_letter_that_is_ascii_throughout_goes_to_any_host():
    """UTF8-01: msmtp asks for SMTPUTF8 on every letter."""
    replies, heard, letters = sent(OLD, "a@b.test", ["c@d.test"])
    assert replies == (QUEUED,)
    assert heard == [Mail(Address("a", "b.test"), (), None), Rcpt(Address("c", "d.test"))] or heard[0].parameters == ()
    assert letters == [b"Subject: x\r\n\r\nhello\r\n"]


def test_a_domain_goes_by_its_a_label():
    """UTF8-03: RFC 6531 §3.2."""
    replies, heard, _ = sent(OLD, "a@bücher.test", ["c@bücher.test"])
    assert replies == (QUEUED,)
    assert [str(heard[0].sender), str(heard[1].address)] == ["a@xn--bcher-kva.test", "c@xn--bcher-kva.test"]


def test_what_needs_it_goes_with_the_parameter():
    """UTF8-01."""
    replies, heard, _ = sent(NEW, GRETE, [GRETE], "Subject: ü\r\n".encode())
    assert replies == (QUEUED,)
    assert heard[0].smtputf8
    assert [str(heard[0].sender), str(heard[1].address)] == [GRETE, GRETE]


def test_an_alias_may_lead_a_plain_letter_to_such_an_address():
    """UTF8-03."""
    replies, heard, _ = sent(NEW, "a@b.test", [GRETE], parameters=())
    assert replies == (QUEUED,)
    assert heard[0].smtputf8


def test_a_host_without_it_gets_nothing_that_needs_it():
    """UTF8-04, CODE-24."""
    replies, heard, letters = sent(OLD, "a@b.test", ["c@d.test", GRETE])
    assert [(reply.code, str(reply.status)) for reply in replies] == [(250, "2.0.0"), (553, "5.6.7")]
    assert [str(event.address) for event in heard[1:]] == ["c@d.test"]
    assert len(letters) == 1
    replies, heard, letters = sent(OLD, GRETE, ["c@d.test"])
    assert [(reply.code, str(reply.status)) for reply in replies] == [(550, "5.6.7")]
    replies, heard, letters = sent(OLD, "a@b.test", ["c@d.test"], "Subject: ü\r\n".encode())
    assert [(reply.code, str(reply.status)) for reply in replies] == [(554, "5.6.9")]
    assert heard == letters == []


@pytest.mark.parametrize(("name", "code"), [("ü", 554), ("u", 250)])
def test_the_heads_of_parts_count_and_their_bodies_do_not(name: str, code: int):
    """UTF8-04: RFC 6532 §3 has UTF-8 in the fields of MIME parts too; a body of 8 bits is 8BITMIME's business."""
    part = f'--b\r\nContent-Type: text/plain; charset=utf-8; name="{name}"\r\n\r\nGrüße\r\n--b--\r\n'
    header = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    replies, _, _ = sent(OLD, "a@b.test", ["c@d.test"], (header + part).encode())
    assert [reply.code for reply in replies] == [code]


def test_parameters_go_to_hosts_that_know_them_and_no_others():
    """DSN-02: RFC 3461 §5.2.1, §5.2.2."""
    bob = Recipient(Address("bob", "b.test"), None, (("NOTIFY", "SUCCESS"), ("ORCPT", "utf-8;ü")))
    envelope = Envelope(Address("a", "b.test"), (bob,), "7BIT", (("RET", "HDRS"), ("ENVID", "+20")))
    content = Octets(b"Subject: x\r\n\r\nhello\r\n")
    for capabilities, expected in (
        (NEW, ["RET=HDRS ENVID=+20", "NOTIFY=SUCCESS ORCPT=utf-8;ü"]),
        (OLD, ["", ""]),
        (
            Capabilities("mx", withheld=frozenset({"SMTPUTF8"})),
            ["RET=HDRS ENVID=+20", "NOTIFY=SUCCESS ORCPT=utf-8;\\x{FC}"],
        ),
    ):
        utf8 = Envelope(envelope.sender, envelope.recipients, "7BIT", (*envelope.parameters, *UTF8))
        _, session, _ = talk(lambda session: session.transact(utf8, (bob,), content), capabilities=capabilities)  # noqa: B023
        lines = [line for line in session.dialogue if line.startswith(("C: MAIL", "C: RCPT"))]
        told = [line.partition("> ")[2].replace("SIZE=21", "").replace("SMTPUTF8", "").strip() for line in lines]
        assert told == expected


locals_ = st.text(st.characters(min_codepoint=0x21, exclude_categories=["C", "Z"]), min_size=1, max_size=8)
domains = st.sampled_from(["b.test", "bücher.test", "例子.test"])
envids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="+="), min_size=1, max_size=9)
notifies = st.sampled_from(["NEVER", "SUCCESS", "FAILURE,DELAY"])


@given(
    st.builds(Address, locals_, domains),
    st.lists(st.tuples(st.builds(Address, locals_, domains), notifies), min_size=1, max_size=3),
    envids,
)
def test_what_one_engine_says_the_other_hears(sender, recipients, envid):
    """UTF8-01, DSN-01: addresses and parameters arrive as they were sent."""
    named = tuple(Recipient(address, None, (("NOTIFY", notify),)) for address, notify in recipients)
    envelope = Envelope(sender, named, "7BIT", (("ENVID", envid), *UTF8))
    content = Octets(b"Subject: x\r\n\r\nhello\r\n")
    _, _, host = talk(lambda session: session.transact(envelope, named, content), capabilities=NEW)
    mail, *rcpts = [event for event in host.events if isinstance(event, Mail | Rcpt)]
    assert (mail.sender, mail.parameters) == (sender, envelope.parameters)
    assert [(rcpt.address, rcpt.parameters) for rcpt in rcpts] == [(each.address, each.parameters) for each in named]
