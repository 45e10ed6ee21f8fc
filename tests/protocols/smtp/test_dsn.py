"""DSN by its octets: what NOTIFY, ORCPT, RET and ENVID may be, and what becomes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.address import decode_unitext, decode_xtext, encode_unitext, xtext
from mailstack.protocols.smtp.commands import Rejected
from mailstack.protocols.smtp.outgoing import rcpt_command
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.smtp.dialogue import Dialogue, after

SERVER = Capabilities("mx.home.test")


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        (b"RET=FULL", (("RET", "FULL"),)),
        (b"ret=hdrs", (("RET", "HDRS"),)),
        (b"ENVID=QQ314159", (("ENVID", "QQ314159"),)),
        (b"ENVID=a+2Bb+3D+20c", (("ENVID", "a+2Bb+3D+20c"),)),
        (b"ENVID=" + b"x" * 100, (("ENVID", "x" * 100),)),
        (b"RET=FULL ENVID=1 SIZE=5", (("RET", "FULL"), ("ENVID", "1"))),
    ],
)
def test_parameters_of_mail_are_parsed_and_travel(words, parameters):
    """DSN-01."""
    session = after()
    assert session.codes(b"MAIL FROM:<a@b.test> " + words)[0][0] == "250"
    assert session.events[-1].parameters == parameters


@pytest.mark.parametrize(
    "words",
    [
        b"RET", b"RET=", b"RET=BODY", b"RET=FULL RET=FULL", b"ENVID", b"ENVID=", b"ENVID=a+2b", b"ENVID=a+", b"ENVID=a=b",
        b"ENVID=+0D+0A", b"ENVID=+E9", b"ENVID=" + b"x" * 101, b"ENVID=\xc3\xbc",
    ],
)  # fmt: skip
def test_malformed_parameter_of_mail_is_refused(words):
    """DSN-01."""
    assert after().codes(b"MAIL FROM:<a@b.test> " + words) == [("501", "5.5.4")]


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        (b"NOTIFY=NEVER", (("NOTIFY", "NEVER"),)),
        (b"notify=success,Failure", (("NOTIFY", "SUCCESS,FAILURE"),)),
        (b"NOTIFY=DELAY,DELAY", (("NOTIFY", "DELAY"),)),
        (b"ORCPT=rfc822;Bob@b.test", (("ORCPT", "rfc822;Bob@b.test"),)),
        (b"ORCPT=rfc822;a+2Bb@b.test NOTIFY=FAILURE", (("ORCPT", "rfc822;a+2Bb@b.test"), ("NOTIFY", "FAILURE"))),
        (b"ORCPT=X-fax;1", (("ORCPT", "X-fax;1"),)),
        (b"ORCPT=utf-8;b\\x{FC}@b.test", (("ORCPT", "utf-8;b\\x{FC}@b.test"),)),
        (b"ORCPT=rfc822;" + b"x" * 493, (("ORCPT", "rfc822;" + "x" * 493),)),
    ],
)
def test_parameters_of_rcpt_are_parsed_and_travel(words, parameters):
    """DSN-01."""
    session = after(b"MAIL FROM:<>")
    assert session.codes(b"RCPT TO:<a@b.test> " + words)[0][0] == "250"
    assert session.events[-1].parameters == parameters


@pytest.mark.parametrize(
    "words",
    [
        b"NOTIFY", b"NOTIFY=", b"NOTIFY=NEVER,SUCCESS", b"NOTIFY=SUCCESS,", b"NOTIFY=SOMETIMES",
        b"NOTIFY=SUCCESS NOTIFY=SUCCESS", b"ORCPT", b"ORCPT=", b"ORCPT=bob@b.test", b"ORCPT=;bob", b"ORCPT=rfc822;",
        b"ORCPT=rfc 822;bob", b"ORCPT=rfc822;a+0D+0ARSET", b"ORCPT=rfc822;a+2b", b"ORCPT=utf-8;b\\x{0}",
        b"ORCPT=utf-8;b\\x{110000}", b"ORCPT=rfc822;" + b"x" * 494,
    ],
)  # fmt: skip
def test_malformed_parameter_of_rcpt_is_refused(words):
    """DSN-01: NEVER stands alone."""
    assert after(b"MAIL FROM:<>").codes(b"RCPT TO:<a@b.test> " + words)[0] in {("501", "5.5.4"), ("555", "5.5.4")}


@pytest.mark.parametrize("line", [b"MAIL FROM:<a@b.test> RET=FULL", b"MAIL FROM:<a@b.test> ENVID=1"])
def test_behind_helo_there_is_no_dsn(line):
    """EXT-03, DSN-01."""
    session = Dialogue(SERVER)
    assert session.codes(b"HELO c.test", line)[1][0] == "555"


@given(st.binary(max_size=60).filter(lambda octets: b"\r" not in octets and b"\n" not in octets))
def test_any_value_is_taken_or_refused(octets):
    """DSN-01: whatever the octets, an answer, and what is taken can be sent on."""
    for line in (b"MAIL FROM:<> ENVID=", b"MAIL FROM:<> RET="):
        session = after(line + octets)
        event = session.events[-1]
        assert isinstance(event, Rejected) or all(value.isprintable() for _, value in event.parameters)
    for line in (b"RCPT TO:<a@b.test> NOTIFY=", b"RCPT TO:<a@b.test> ORCPT=utf-8;", b"RCPT TO:<a@b.test> ORCPT="):
        session = after(b"MAIL FROM:<> SMTPUTF8", line + octets)
        event = session.events[-1]
        assert isinstance(event, Rejected) or all(value.isprintable() for _, value in event.parameters)


@given(st.text())
def test_any_text_is_xtext_or_not(text):
    decoded = decode_xtext(text)
    assert decoded is None or (decoded.isascii() and decoded.isprintable())
    assert encode_unitext(text).isascii()
    assert isinstance(decode_unitext(text), str)


@given(st.text(st.characters(min_codepoint=0x80, exclude_categories=["C", "Z"])))
def test_utf8_addresses_survive_ascii(text):
    """UTF8-05: RFC 6533 §3."""
    assert decode_unitext(encode_unitext(text)) == text


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_what_is_written_as_xtext_is_read_again(text):
    """DSN-01."""
    assert decode_xtext(xtext(text)) == text


def test_a_relaying_says_what_the_sender_wrote():
    """DSN-02: ORCPT is added behind an alias, and never changed (RFC 3461 §5.2.1)."""
    nobody = Envelope(None, ())
    bob = Recipient(Address("bob", "else.test"), Address("a=b", "home.test"))
    assert rcpt_command({"DSN": ""}, nobody, bob) == "RCPT TO:<bob@else.test> ORCPT=rfc822;a+3Db@home.test"
    assert rcpt_command({}, nobody, bob) == "RCPT TO:<bob@else.test>"
    said = replace(bob, parameters=(("ORCPT", "x400;Y"),))
    assert rcpt_command({"DSN": ""}, nobody, said) == "RCPT TO:<bob@else.test> ORCPT=x400;Y"
    assert rcpt_command({"DSN": ""}, nobody, Recipient(bob.address)) == "RCPT TO:<bob@else.test>"
