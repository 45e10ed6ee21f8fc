"""Extensions in the EHLO reply, and their parameters."""

import pytest
from msgspec.structs import replace

from mailstack.protocols.smtp.commands import Auth, AuthResponse, Mail, Noop, Rejected, StartTls
from mailstack.protocols.smtp.extensions import OFFERED
from mailstack.protocols.smtp.extensions.extension import Extension, Parameter, Verb
from mailstack.protocols.smtp.order import State, Transition
from mailstack.protocols.smtp.replies import reply
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.smtp.dialogue import Dialogue, after

SERVER = Capabilities("mx.home.test", max_size=1000, starttls=True)
UNDER_TLS = Capabilities("mx.home.test", max_size=1000, starttls=True, mechanisms=("PLAIN", "LOGIN"))


def ehlo(capabilities, **engine):
    return Dialogue(capabilities, **engine).say(b"EHLO c.test")


def test_ehlo_names_the_host_and_what_it_offers():
    """SMTP-04, EXT-01."""
    assert ehlo(SERVER) == (
        b"250-mx.home.test at your service\r\n"
        b"250-PIPELINING\r\n"
        b"250-SIZE 1000\r\n"
        b"250-STARTTLS\r\n"
        b"250-ENHANCEDSTATUSCODES\r\n"
        b"250-8BITMIME\r\n"
        b"250-SMTPUTF8\r\n"
        b"250-DSN\r\n"
        b"250-CHUNKING\r\n"
        b"250 BINARYMIME\r\n"
    )


def test_what_can_not_be_used_is_not_offered():
    """EXT-02, TLS-03, AUTH-02."""
    session = Dialogue(UNDER_TLS)
    session.engine.tls = True
    assert b"STARTTLS" not in (told := session.say(b"EHLO c.test"))
    assert b"250-AUTH PLAIN LOGIN\r\n" in told
    assert b"AUTH" not in ehlo(SERVER)


def test_requiretls_is_there_only_under_tls_and_takes_no_value():
    """REQT-01: RFC 8689 §2, §3."""
    assert b"REQUIRETLS" not in ehlo(SERVER)
    assert Dialogue(SERVER).codes(b"EHLO c.test", b"MAIL FROM:<a@b.test> REQUIRETLS")[-1] == ("555", "5.5.4")
    session = Dialogue(UNDER_TLS)
    session.engine.tls = True
    assert b"250-REQUIRETLS\r\n" in session.say(b"EHLO c.test")
    assert session.codes(b"MAIL FROM:<a@b.test> REQUIRETLS=yes") == [("501", "5.5.4")]
    assert session.codes(b"MAIL FROM:<a@b.test> requiretls REQUIRETLS") == [("501", "5.5.4")]
    session.say(b"MAIL FROM:<a@b.test> RequireTLS")
    assert isinstance(session.events[-1], Mail)
    assert session.events[-1].parameters == (("REQUIRETLS", ""),)


def test_withheld_extensions_are_not_offered():
    """EXT-02."""
    withheld = frozenset(extension.keyword for extension in OFFERED)
    session = Dialogue(Capabilities("mx.home.test", starttls=True, mechanisms=("PLAIN",), withheld=withheld))
    assert session.say(b"EHLO c.test") == b"250 mx.home.test at your service\r\n"
    lines = [
        b"STARTTLS",
        b"AUTH PLAIN AA==",
        *(b"MAIL FROM:<> " + word for word in (b"SIZE=1", b"BODY=7BIT", b"AUTH=<>")),
    ]
    assert [code for code, _ in session.codes(*lines)] == ["502", "502", "555", "555", "555"]


# --- SIZE


@pytest.mark.parametrize(
    ("value", "code", "status"),
    [
        (b"SIZE", 501, "5.5.4"),
        (b"SIZE=", 501, "5.5.4"),
        (b"SIZE=abc", 501, "5.5.4"),
        (b"SIZE=-1", 501, "5.5.4"),
        (b"SIZE=" + b"9" * 21, 501, "5.5.4"),
        (b"SIZE=" + b"9" * 20, 552, "5.3.4"),
        (b"SIZE=1001", 552, "5.3.4"),
        (b"SIZE=1000", 250, "2.0.0"),
        (b"SIZE=0", 250, "2.0.0"),
        (b"SIZE=" + b"0" * 19 + b"1", 250, "2.0.0"),
    ],
)
def test_size(value, code, status):
    """SIZE-02, SIZE-03, CODE-06."""
    session = after(capabilities=SERVER)
    assert session.codes(b"MAIL FROM:<a@b.test> " + value) == [(str(code), status)]


def test_size_zero_is_no_limit():
    """SIZE-01."""
    session = Dialogue(Capabilities("mx.home.test"))
    assert b"250-SIZE 0\r\n" in session.say(b"EHLO c.test")
    assert session.codes(b"MAIL FROM:<> SIZE=99999999999999999999") == [("250", "2.0.0")]


# --- 8BITMIME


@pytest.mark.parametrize(
    ("value", "code", "body"),
    [
        (b"BODY=7BIT", 250, "7BIT"),
        (b"body=8bitmime", 250, "8BITMIME"),
        (b"BODY=BINARYMIME", 250, "BINARYMIME"),
        (b"BODY=8BIT", 501, ""),
        (b"BODY", 501, ""),
    ],
)
def test_body(value, code, body):
    """8BIT-01."""
    session = after(capabilities=SERVER)
    assert session.codes(b"MAIL FROM:<> " + value)[0][0] == str(code)
    assert not body or session.events[-1] == Mail(None, (), None, body)


# --- ENHANCEDSTATUSCODES


def test_every_answer_behind_ehlo_has_a_status_but_those_that_must_not():
    """ENH-01, ENH-02."""
    session = Dialogue(SERVER)
    said = session.octets
    said += session.say(b"MAIL FROM:<>", b"NOOP")
    said += session.say(b"EHLO c.test")
    assert not [line for line in said.decode().splitlines() if line[4:].count(".") >= 2 and line[4:5].isdigit()]
    replies = {
        b"RSET": ("250", "2.0.0"),
        b"XYZZY": ("500", "5.5.2"),
        b"MAIL FROM:<>": ("250", "2.0.0"),
        b"RCPT TO:<no@b.test>": ("550", "5.1.1"),
        b"RCPT TO:<a@b.test>": ("250", "2.0.0"),
        b"DATA": ("354", "end"),
        b".": ("250", "2.0.0"),
        b"EHLO": ("501", "syntax:"),
        b"QUIT": ("221", "2.0.0"),
    }
    assert session.codes(*replies) == list(replies.values())


# --- STARTTLS


def test_starttls_forgets_the_client_and_what_it_sent_behind_it():
    """TLS-02, TLS-04."""
    session = after(b"STARTTLS", b"NOOP injected", b"EHLO injected.test", capabilities=SERVER)
    assert session.events[-1] == StartTls()
    assert session.engine.hello is None
    assert session.engine.tls
    assert session.octets.endswith(b"220 2.0.0 go ahead\r\n")
    assert session.codes(b"MAIL FROM:<>", b"STARTTLS", b"EHLO c.test", b"STARTTLS") == [
        ("503", "bad"),
        ("503", "bad"),
        ("250", "BINARYMIME"),
        ("503", "5.5.1"),
    ]


def test_octets_between_220_and_tls_are_thrown_away():
    """TLS-04."""
    session = Dialogue(SERVER, start_tls=False)
    session.say(b"EHLO c.test", b"STARTTLS")
    assert session.hear(b"EHLO injected.test\r\n") == []
    assert session.engine.buffered == 0
    session.engine.tls_started()
    assert session.codes(b"NOOP") == [("250", "OK")]


def test_starttls_takes_no_argument():
    """TLS-03."""
    session = Dialogue(SERVER)
    assert session.codes(b"EHLO c.test", b"STARTTLS now")[1] == ("501", "5.5.4")


def test_tls_from_the_first_octet_leaves_the_greeting_owed():
    session = Dialogue(SERVER)
    engine = type(session.engine)(SERVER)
    engine.tls_started()
    assert engine.state is State.GREETING


# --- AUTH


def auth(*lines):
    session = Dialogue(UNDER_TLS)
    session.engine.tls = True
    session.say(b"EHLO c.test", *lines)
    return session


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"AUTH PLAIN", Auth("PLAIN", None)),
        (b"auth plain AGEAYg==", Auth("PLAIN", b"\0a\0b")),
        (b"AUTH PLAIN =", Auth("PLAIN", b"")),
        (b"AUTH LOGIN YWxpY2U=", Auth("LOGIN", b"alice")),
        (b"AUTH PLAIN " + b"QUFB" * 3000, Auth("PLAIN", b"AAA" * 3000)),
    ],
)
def test_auth(line, event):
    """AUTH-03, AUTH-12."""
    session = auth(line)
    assert session.events[-1] == event
    assert session.engine.authenticated


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [
        (b"AUTH", 501, "5.5.4"),
        (b"AUTH PLAIN a b", 501, "5.5.4"),
        (b"AUTH NOSUCHMECH", 504, "5.5.4"),
        (b"AUTH PLAIN !!!", 501, "5.5.2"),
        (b"AUTH PLAIN AGEAYg", 501, "5.5.2"),
        (b"AUTH cram-md5", 534, "5.7.9"),
        (b"AUTH PLAIN AA==AA==", 501, "5.5.2"),
        (b"AUTH PLAIN \xc3\xa5", 500, "5.5.2"),
    ],
)
def test_bad_auth(line, code, status):
    """AUTH-09, AUTH-10, CODE-17, CODE-18."""
    session = auth(line)
    assert isinstance(session.events[-1], Rejected)
    assert (session.events[-1].reply.code, str(session.events[-1].reply.status)) == (code, status)
    assert session.codes(b"NOOP") == [("250", "2.0.0")]


@pytest.mark.parametrize(
    ("line", "event"), [(b"YWxpY2U=", AuthResponse(b"alice")), (b"", AuthResponse(b"")), (b"*", AuthResponse(None))]
)
def test_a_challenge_and_its_response(line, event):
    """AUTH-03, AUTH-05, CODE-17."""
    session = auth()
    engine = session.engine
    engine.receive(b"AUTH LOGIN\r\n")
    assert engine.next_event() == Auth("LOGIN", None)
    assert engine.challenge(b"Username:") == b"334 VXNlcm5hbWU6\r\n"
    engine.receive(line + b"\r\neA==\r\nNOOP\r\n")
    assert engine.next_event() == event
    assert engine.challenge(b"") == b"334 \r\n"
    assert engine.next_event() == AuthResponse(b"x")
    engine.answer(reply(235, "2.7.0", "welcome"))
    assert engine.next_event() == Noop()


def respond(octets):
    """A session, and the event of a response to its challenge."""
    session = auth()
    session.engine.receive(b"AUTH LOGIN\r\n")
    session.engine.next_event()
    session.engine.challenge(b"Username:")
    session.engine.receive(octets)
    return session, session.engine.next_event()


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [(b"!!!not base64!!!", 501, "5.5.2"), (b"\xff\xfe", 501, "5.5.2"), (b"A" * 20_000, 500, "5.5.6")],
)
def test_a_bad_response_ends_the_exchange(line, code, status):
    """AUTH-09, CODE-15, CODE-17."""
    session, event = respond(line + b"\r\n")
    assert (event.reply.code, str(event.reply.status), event.line) == (code, status, b"")
    session.engine.answer(event.reply)
    assert session.engine.state is State.READY
    assert not session.engine.authenticated


def test_a_response_that_ends_in_lf_ends_the_connection():
    """SMUG-03: and shows no secret."""
    session, event = respond(b"QUFB\nNOOP\r\n")
    assert (event.reply.code, event.line) == (500, b"")
    session.engine.answer(event.reply)
    assert session.engine.state is State.CLOSED


@pytest.mark.parametrize(("logins", "reply"), [(True, ("530", "5.7.0")), (False, ("502", "5.5.1"))])
def test_auth_without_tls_is_refused(logins, reply):
    """AUTH-02, CODE-08; SUBM-12: TLS is requested only where AUTH follows."""
    session = Dialogue(replace(SERVER, logins=logins))
    assert session.codes(b"EHLO c.test", b"AUTH PLAIN AGEAYg==")[1] == reply


def test_a_refused_auth_may_be_tried_again():
    session = auth()
    friendly, session.answers = session.answers, lambda _event: reply(535, "5.7.8", "no")
    assert session.codes(b"AUTH PLAIN AGEAYg==") == [("535", "5.7.8")]
    assert not session.engine.authenticated
    session.answers = friendly
    assert session.codes(b"AUTH PLAIN AGEAYg==") == [("235", "2.7.0")]


@pytest.mark.parametrize(
    ("value", "code"), [(b"AUTH=<>", "250"), (b"AUTH=a+40b.test", "250"), (b"AUTH=", "501"), (b"AUTH=a+4", "501")]
)
def test_the_auth_parameter_is_checked_and_forgotten(value, code):
    """AUTH-13."""
    session = auth(b"AUTH PLAIN AGEAYg==")
    assert session.codes(b"MAIL FROM:<a@b.test> " + value)[0][0] == code
    assert code != "250" or session.events[-1].parameters == ()


# --- one that doesn't exist


def test_a_new_extension_is_one_value():
    """Keyword, argument, parameters that travel, a verb and its place in the order."""
    new = Extension(
        "XNEW",
        lambda facts: "1 2" if facts.tls else None,
        mail={"XM": Parameter(lambda value, _facts: value or "none", travels=True)},
        rcpt={"XR": Parameter(lambda value, _facts: (value or "").upper(), travels=True)},
        verbs={"XVERB": Verb(lambda _argument, _facts: Noop(), {State.READY: Transition(State.READY, State.READY)})},
    )
    session = Dialogue(SERVER, offered=(*OFFERED, new))
    session.engine.tls = True
    assert session.say(b"EHLO c.test").endswith(b"250 XNEW 1 2\r\n")
    assert session.codes(b"XVERB", b"MAIL FROM:<> XM SIZE=1", b"RCPT TO:<a@b.test> xr=up", b"XVERB") == [
        ("250", "2.0.0"),
        ("250", "2.0.0"),
        ("250", "2.0.0"),
        ("503", "5.5.1"),
    ]
    assert session.events[2].parameters == (("XM", "none"),)
    assert session.events[3].parameters == (("XR", "UP"),)
