"""The extensions that say when and how a letter travels, each by its octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Envelope
from mailstack.letter.letter import Octets, Prefixed
from mailstack.protocols.smtp.commands import Hello, Mail, Rejected, XClient
from mailstack.protocols.smtp.extensions import incoming_hooks, outgoing_hooks
from mailstack.protocols.smtp.extensions.limits import HostLimits
from mailstack.protocols.smtp.receiving_rules import Priorities
from mailstack.protocols.smtp.replies import Refusal, reply
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.smtp.dialogue import Dialogue, after
from tests.protocols.smtp.hosts import answer_to

NOW = 1_763_931_600.0  # 2025-11-23T21:00:00Z
SERVER = Capabilities(
    "mx.home.test", max_recipients=100, max_letters=5, max_hold=86400, min_by=10, priorities=True, since=NOW
)
TRUSTING = replace(SERVER, xclient=True)


def ehlo(capabilities):
    return Dialogue(capabilities).say(b"EHLO c.test").decode().splitlines()


def mail(value, capabilities=SERVER):
    """The code and status of MAIL with this parameter, and the parameters that travel."""
    session = after(capabilities=capabilities)
    (answer,) = session.codes(b"MAIL FROM:<a@b.test> " + value.encode())
    event = session.events[-1]
    return answer, dict(event.parameters) if isinstance(event, Mail) else {}


def test_keywords_of_ehlo_show_the_settings():
    """LIM-01, FUT-01, DLBY-01, PRIO-01: the keywords say what holds."""
    assert ehlo(SERVER)[3:7] == [
        "250-LIMITS RCPTMAX=100 MAILMAX=5",
        "250-DELIVERBY 10",
        "250-FUTURERELEASE 86400 2025-11-24T21:00:00Z",
        "250-MT-PRIORITY",
    ]


def test_disabled_extensions_are_not_offered():
    """EXT-02, LIM-01: no limit is announced that is none, and nothing that the listener does not do."""
    told = ehlo(Capabilities("mx.home.test"))
    assert not [line for line in told if line[4:].split()[0] in ("LIMITS", "DELIVERBY", "FUTURERELEASE", "XCLIENT")]
    assert "250-LIMITS RCPTMAX=7" in ehlo(Capabilities("mx.home.test", max_recipients=7))
    assert "250-DELIVERBY" in ehlo(Capabilities("mx.home.test", min_by=0))
    assert mail("HOLDFOR=1", Capabilities("mx.home.test"))[0] == ("555", "5.5.4")


@pytest.mark.parametrize(
    ("value", "travels"),
    [
        ("HOLDFOR=1", {"HOLDFOR": "1"}),
        ("holdfor=86400", {"HOLDFOR": "86400"}),
        ("HOLDUNTIL=2025-11-24T21:00:00Z", {"HOLDUNTIL": "2025-11-24T21:00:00Z"}),
        ("HOLDUNTIL=2025-11-24T22:00:00+01:00", {"HOLDUNTIL": "2025-11-24T22:00:00+01:00"}),
        ("HOLDUNTIL=2025-11-24t20:30:00.5z", {"HOLDUNTIL": "2025-11-24t20:30:00.5z"}),
        ("HOLDUNTIL=2025-11-23T21:59:60Z", {"HOLDUNTIL": "2025-11-23T21:59:60Z"}),
        ("HOLDUNTIL=0001-01-01T00:00:00Z", {"HOLDUNTIL": "0001-01-01T00:00:00Z"}),
        ("BY=120;R", {"BY": "120;R"}),
        ("by=+120;rt", {"BY": "120;RT"}),
        ("BY=600;NT", {"BY": "600;NT"}),
        ("BY=-5;N", {"BY": "-5;N"}),
        ("BY=0;N", {"BY": "0;N"}),
        ("BY=10;R", {"BY": "10;R"}),
        ("MT-PRIORITY=3", {"MT-PRIORITY": "3"}),
        ("mt-priority=-9", {"MT-PRIORITY": "-9"}),
        ("MT-PRIORITY=0", {"MT-PRIORITY": "0"}),
    ],
)
def test_parameter_is_parsed_and_travels(value, travels):
    """FUT-01, DLBY-01, PRIO-01."""
    assert mail(value) == (("250", "2.0.0"), travels)


@pytest.mark.parametrize(
    "value",
    [
        "HOLDFOR=86401", "HOLDFOR=999999999", "HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=-1", "HOLDFOR=1000000000", "HOLDFOR=",
        "HOLDFOR", "HOLDUNTIL=2025-11-24T21:00:01Z", "HOLDUNTIL=2025-11-24T21:00:00", "HOLDUNTIL=2025-11-24",
        "HOLDUNTIL=2025-13-24T21:00:00Z", "HOLDUNTIL=2025-11-24T25:00:00Z", "HOLDUNTIL=tomorrow",
        "HOLDFOR=1 HOLDUNTIL=2025-11-24T21:00:00Z", "HOLDUNTIL=2025-11-24T21:00:00Z HOLDFOR=1", "HOLDFOR=1 HOLDFOR=1",
        "BY=0;R", "BY=-1;R", "BY=120", "BY=120;X", "BY=120;RX", "BY=1234567890;N", "BY=;R", "BY",
        "MT-PRIORITY=-0", "MT-PRIORITY=+3", "MT-PRIORITY=10", "MT-PRIORITY=", "MT-PRIORITY",
    ],
)  # fmt: skip
def test_malformed_parameter_is_refused(value):
    """FUT-01, DLBY-01, PRIO-01."""
    assert mail(value) == (("501", "5.5.4"), {})


def test_time_to_deliver_by_below_the_minimum_is_refused():
    """DLBY-01."""
    assert mail("BY=9;R") == (("555", "5.5.4"), {})


@pytest.mark.parametrize("keyword", ["HOLDFOR", "HOLDUNTIL", "BY", "MT-PRIORITY"])
@given(value=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40))
def test_any_value_is_taken_or_refused(keyword, value):
    (code, status), _ = mail(f"{keyword}={value}")
    assert (code, status) in {("250", "2.0.0"), ("501", "5.5.4"), ("554", "5.5.4"), ("555", "5.5.4")}


# --- who may have which priority


def asked(priority):
    return Mail(None, (("BY", "5;N"), ("MT-PRIORITY", str(priority))), None)


def test_a_priority_is_granted_lowered_or_refused():
    """PRIO-01, CODE-26: 250 2.3.6 names the priority that the letter gets; one that is too low is refused."""
    some = Priorities(-3, 3)
    assert some.grant(Mail(None, (), None)) == (Mail(None, (), None), None)
    assert some.grant(asked(3)) == (asked(3), None)
    lowered, answer = some.grant(asked(7))
    assert lowered == asked(3)
    assert answer == reply(250, "2.3.6", "3 is the priority of the message")
    with pytest.raises(Refusal, match=r"550 5\.7\.15"):
        some.grant(asked(-4))


@pytest.mark.parametrize(
    ("section", "priority"),
    [
        (b"MT-Priority: 4\r\n", "4"),
        (b"Subject: x\r\nmt-priority : -2 (low)\r\n\r\n", "-2"),
        (b"MT-Priority:\r\n 9\r\n", "9"),
        (b"MT-Priority: 10\r\n", None),
        (b"MT-Priority: urgent\r\n", None),
        (b"X: MT-Priority: 4\r\n", None),
        (b"MT-Priority: 4\r\nMT-Priority: 4\r\n", None),
        (b"MT-Priority: 4\r\nmt-priority: high\r\n", None),
        (b"", None),
    ],
)
def test_a_trusted_host_s_field_is_believed(section, priority):
    """PRIO-01: RFC 6758."""
    trusted = Priorities(max_priority=9, trusted=True)
    (hook,) = trusted.header_hooks
    envelope = hook.read_header(Envelope(None, ()), section)
    assert dict(envelope.parameters).get("MT-PRIORITY") == priority
    assert Priorities(max_priority=9).header_hooks == ()
    said = Envelope(None, (), parameters=(("MT-PRIORITY", "1"),))
    assert hook.read_header(said, section) == said


@pytest.mark.parametrize("priority", ["-4", "0"])
def test_the_field_is_written_for_a_priority_that_was_said(priority):
    """PRIO-01: RFC 6758 §3.3."""
    letter = Envelope(None, (), parameters=(("MT-PRIORITY", priority),))
    (hook,) = outgoing_hooks(letter.parameters)
    content = Octets(b"A: 1\r\n")
    assert hook.content({}, letter, content) == Prefixed(b"MT-Priority: %b\r\n" % priority.encode(), content)
    assert hook.content({"MT-PRIORITY": ""}, letter, content) is content


@pytest.mark.parametrize("parameters", [(), (("RET", "FULL"), ("ENVID", "x"), ("SMTPUTF8", ""), ("REQUIRETLS", ""))])
def test_letter_without_these_extensions_has_no_hooks(parameters):
    assert outgoing_hooks(parameters) == []
    for body in ("7BIT", "8BITMIME"):
        assert incoming_hooks(Mail(None, parameters, None, body)) == ()


def test_a_hook_of_two_parameters_is_called_once():
    parameters = (("HOLDFOR", "1"), ("HOLDUNTIL", "x"), ("MT-PRIORITY", "1"))
    assert len(incoming_hooks(Mail(None, parameters, None, "BINARYMIME"))) == 3


# --- what others announce


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1", HostLimits(5, 20, 1)),
        ("rcptmax=20", HostLimits(recipients=20)),
        ("RCPTMAX=0", HostLimits()),
        ("RCPTMAX=05 MAILMAX=5", HostLimits(5)),
        ("RCPTMAX=-1 MAILMAX=x FUTUREMAX=3 RCPTMAX=1234567 ;;", HostLimits()),
        ("", HostLimits()),
    ],
)
def test_limits_of_another_host(text, limits):
    """LIM-01: what is not understood says nothing."""
    assert HostLimits.parse(text) == limits


# --- XCLIENT


def xclient_answer(event):
    return reply(220, None, "mx.home.test ESMTP") if isinstance(event, XClient) else answer_to(event)


def front(capabilities=TRUSTING):
    return Dialogue(capabilities, answers=xclient_answer)


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ("NAME=c.test ADDR=192.0.2.1", XClient(name="c.test", address="192.0.2.1")),
        ("addr=IPV6:2001:db8::1 port=1234", XClient(address="2001:db8::1", port=1234)),
        ("ADDR=2001:db8::1", XClient(address="2001:db8::1")),
        ("PROTO=smtp HELO=c+2Btest", XClient(protocol="SMTP", hello="c+test")),
        ("LOGIN=Alice@Home.test", XClient(login="alice@home.test")),
        ("DESTADDR=192.0.2.9 DESTPORT=25", XClient(local_address="192.0.2.9", local_port=25)),
        ("NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL]", XClient()),
    ],
)
def test_attributes_of_xclient_are_parsed(arguments, event):
    """XCLI-01."""
    session = front()
    session.say(b"EHLO c.test")
    assert session.codes(b"XCLIENT " + arguments.encode()) == [("220", "mx.home.test")]
    assert session.events[-1] == event


@pytest.mark.parametrize(
    "arguments",
    [
        "", "NAME", "NAME=", "COLOUR=red", "ADDR=nowhere", "ADDR=1.2.3", "PORT=65536", "PORT=-1", "PROTO=LMTP",
        "HELO=a+0Ab", "LOGIN=alice", "HELO=a+ZZ", "LOGIN=a=b", "NAME=" + "x" * 256, "HELO=a+FFb",
    ],
)  # fmt: skip
def test_xclient_with_an_argument_that_makes_no_sense_changes_nothing(arguments):
    session = front()
    session.say(b"EHLO c.test")
    assert session.codes(b"XCLIENT " + arguments.encode(), b"MAIL FROM:<>") == [("501", "5.5.4"), ("250", "2.0.0")]


@given(arguments=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=80))
def test_xclient_with_any_argument_is_an_event_or_refused(arguments):
    session = front()
    (event,) = session.hear(b"XCLIENT " + arguments.encode() + b"\r\n")
    assert isinstance(event, XClient | Rejected)


def test_after_xclient_the_session_begins_anew():
    """XCLI-01: a new 220, and EHLO is needed again."""
    session = front()
    assert b"250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n" in session.say(b"EHLO c.test")
    assert session.codes(b"XCLIENT ADDR=192.0.2.1", b"MAIL FROM:<>") == [("220", "mx.home.test"), ("503", "bad")]
    assert session.engine.hello is None
    assert isinstance(session.hear(b"EHLO d.test\r\n")[0], Hello)
    assert session.codes(b"MAIL FROM:<>", b"XCLIENT ADDR=192.0.2.1") == [("250", "2.0.0"), ("503", "5.5.1")]


def test_xclient_is_refused_to_other_clients():
    """XCLI-01: neither announced nor obeyed."""
    session = front(SERVER)
    assert b"XCLIENT" not in session.say(b"EHLO c.test")
    assert session.codes(b"XCLIENT ADDR=192.0.2.1") == [("550", "5.7.0")]
    withheld = front(replace(TRUSTING, withheld=frozenset({"XCLIENT"})))
    withheld.say(b"EHLO c.test")
    assert withheld.codes(b"XCLIENT ADDR=192.0.2.1") == [("550", "5.7.0")]
    assert withheld.codes(b"XFORWARD ADDR=192.0.2.1") == [("502", "5.5.1")]
