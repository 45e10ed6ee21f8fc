"""Drop-in for aiosmtpd: hooks of handlers and their replies."""
# ruff: noqa: N802 - the names of hooks are aiosmtpd's

from __future__ import annotations

import asyncio
import re
import smtplib
import socket
import ssl
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstack.testing import Controller
from mailstack.testing.aiosmtpd import Debugging, Message, Sink
from mailstack.testing.certificates import certificate_files
from tests.aid import examples

LETTER = "From: a@shop.example\r\nSubject: Hello\r\n\r\nHi\r\n.dot\r\n"


def running(handler, **options):
    return Controller(handler, hostname="127.0.0.1", port=0, **options)


def client(controller):
    return smtplib.SMTP(controller.hostname, controller.port, timeout=10)


class Everything:
    """Has every hook, and records its arguments."""

    def __init__(self):
        self.calls = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [*responses[:-1], "250-XFOO", responses[-1]]

    async def handle_HELO(self, server, session, envelope, hostname):
        session.host_name = hostname
        return "250 come in"

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.calls.append(("MAIL", address, options))
        envelope.mail_from = address
        return "250 sender fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not address.endswith("@shop.example"):
            return "550 not relaying to that domain"
        envelope.rcpt_tos.append(address)
        return "250 recipient fine"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(0)
        assert envelope.original_content == envelope.content
        self.calls.append((session.host_name, session.peer[0], envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 accepted"

    async def handle_RSET(self, server, session, envelope):
        return "250 reset"

    async def handle_NOOP(self, server, session, envelope, argument):
        return "250-still\r\n250 here"

    async def handle_VRFY(self, server, session, envelope, address):
        raise LookupError(f"unknown: {address}")

    async def handle_QUIT(self, server, session, envelope):
        return "221 farewell"


def test_every_hook_is_called_and_its_reply_sent():
    handler = Everything()
    with running(handler) as controller, client(controller) as smtp:
        assert smtp.ehlo("me.example")[0] == 250
        assert smtp.has_extn("xfoo")
        assert smtp.has_extn("8bitmime")
        assert smtp.noop() == (250, b"still\nhere")
        assert smtp.rset() == (250, b"reset")
        assert smtp.verify("<bob>") == (500, b"Error: (LookupError) unknown: bob")
        refused = smtp.sendmail("a@shop.example", ["b@shop.example", "c@elsewhere.example"], LETTER, ["BODY=8BITMIME"])
        assert refused == {"c@elsewhere.example": (550, b"not relaying to that domain")}
        assert smtp.docmd("QUIT") == (221, b"farewell")
    assert handler.calls == [
        ("MAIL", "a@shop.example", [f"SIZE={len(LETTER)}", "BODY=8BITMIME"]),
        ("me.example", "127.0.0.1", "a@shop.example", ["b@shop.example"], LETTER.encode()),
    ]


def test_without_hooks_every_message_is_accepted():
    with running(Sink(), data_size_limit=1000, server_hostname="mx.test", enable_SMTPUTF8=False) as controller:
        with socket.create_connection((controller.hostname, controller.port), 10) as plain:
            assert plain.recv(1024).startswith(b"220 mx.test mailstack ")
        with client(controller) as smtp:
            smtp.sendmail("", "b@shop.example", LETTER)
            with pytest.raises(smtplib.SMTPSenderRefused, match="552"):
                smtp.sendmail("a@shop.example", "b@shop.example", "x" * 2000)
            assert not any(map(smtp.has_extn, ("smtputf8", "starttls", "auth")))
            assert smtp.docmd("EXPN", "list")[0] == 502
            assert smtp.docmd("STARTTLS")[0] == 502
            assert smtp.docmd("AUTH", "PLAIN")[0] == 502
            assert smtp.verify("bob")[0] == 252
            assert smtp.helo() == (250, b"mx.test")


class Unhelpful:
    async def handle_DATA(self, server, session, envelope):
        return None

    async def handle_exception(self, error):
        return f"451 {type(error).__name__}, try again"


class Hopeless(Unhelpful):
    async def handle_exception(self, error):
        return "no reply"


@pytest.mark.parametrize(
    ("handler", "reply"), [(Unhelpful(), r"451.*ValueError"), (Hopeless(), r"500.*must return a reply")]
)
def test_an_error_in_a_handler_is_answered(handler, reply):
    with running(handler) as controller, client(controller) as smtp:
        with pytest.raises(smtplib.SMTPDataError, match=reply):
            smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
        assert smtp.noop()[0] == 250


def test_tls_from_the_start():
    files = certificate_files()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    trusting = ssl.create_default_context(cafile=files.ca)
    with (
        running(Sink(), ssl_context=context) as controller,
        smtplib.SMTP_SSL(controller.hostname, controller.port, timeout=10, context=trusting) as smtp,
    ):
        assert smtp.sendmail("a@shop.example", "b@shop.example", LETTER) == {}


@pytest.mark.parametrize("name", ["authenticator", "auth_required", "tls_context", "command_call_limit", "decode_data"])
def test_an_unsupported_argument_is_refused_with_what_to_use(name):
    with pytest.raises(TypeError, match=f"^{name} is not supported: .*`mailstack`"):
        running(Sink(), **{name: True})


@pytest.mark.parametrize("name", ["auth_PLAIN", "handle_AUTH", "handle_PROXY", "handle_STARTTLS"])
def test_an_unsupported_hook_is_refused_with_what_to_use(name):
    handler = type("Handler", (Sink,), {name: lambda self, *arguments: None})()
    with pytest.raises(TypeError, match=f"^{name} is not supported: .*`smtpd`"):
        running(handler)


def test_a_client_that_disconnects_within_a_message_harms_no_other():
    handler = Everything()
    with running(handler) as controller:
        with socket.create_connection((controller.hostname, controller.port), 10) as plain:
            plain.sendall(b"EHLO x\r\nMAIL FROM:<a@shop.example>\r\nRCPT TO:<b@shop.example>\r\nDATA\r\nSubject: x\r\n")
            while b"354" not in plain.recv(4096):
                pass
        with client(controller) as smtp:
            smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
    assert [each[0] for each in handler.calls] == ["MAIL", "MAIL", smtp.local_hostname]


def test_a_silent_client_is_disconnected():
    with (
        running(Sink(), timeout=0.05) as controller,
        socket.create_connection((controller.hostname, controller.port), 10) as plain,
    ):
        assert plain.recv(1000).startswith(b"220 ")
        assert plain.recv(1000) == b""


class Stored(Message):
    def __init__(self):
        self.messages = []

    def handle_message(self, message):
        self.messages.append(message)


def test_a_message_is_parsed_and_printed():
    stored, out = Stored(), StringIO()
    for handler in (stored, Debugging(out)):
        with running(handler) as controller, client(controller) as smtp:
            smtp.sendmail("a@shop.example", ["b@shop.example", "c@shop.example"], LETTER)
    (message,) = stored.messages
    assert (message["Subject"], message["X-MailFrom"]) == ("Hello", "a@shop.example")
    assert message["X-RcptTo"] == "b@shop.example, c@shop.example"
    assert "MESSAGE FOLLOWS" in out.getvalue()
    assert "X-Peer: ('127.0.0.1'" in out.getvalue()


def test_a_controller_starts_again_on_its_port():
    controller = running(Sink())
    with pytest.raises(AssertionError, match="not running"):
        controller.stop()
    controller.start()
    port = controller.port
    other = Controller(Sink(), hostname="127.0.0.1", port=port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.stop()
    controller.stop()
    controller.start()
    assert controller.port == port
    with client(controller) as smtp:
        assert smtp.noop()[0] == 250
    controller.stop(no_assert=True)
    controller.stop(no_assert=True)


def test_an_error_of_the_factory_is_raised_by_start():
    class Broken(Controller):
        def factory(self):
            raise ArithmeticError("no server of this kind")

    controller = Broken(Sink(), hostname="127.0.0.1", port=0)
    with pytest.raises(ArithmeticError):
        controller.start()
    controller.stop()


COMMANDS = [
    *(b"EHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@b.c> SIZE=9\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<a@b.c>\r\n"),
    *(b"DATA\r\n", b"x\r\n.\r\n", b"..\r\n", b"AUTH PLAIN\r\n", b"NOOP\r\n", b"RSET\r\n", b"VRFY a\r\n"),
    *(b"EXPN a\r\n", b"HELP\r\n", b"STARTTLS\r\n", b"BDAT 4 LAST\r\n", b"FOO\r\n", b"QUIT\r\n", b"\n"),
]


@pytest.fixture(scope="module")
def unhandled():
    """A server, and the errors that its loop has caught."""
    found = []
    controller = running(Sink(), timeout=0.05)
    controller.loop.set_exception_handler(lambda _loop, context: found.append(context))
    with controller:
        yield controller, found


@given(pieces=st.lists(st.one_of(st.sampled_from(COMMANDS), st.binary(max_size=30)), max_size=14))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_of_a_client_are_answered_by_replies(unhandled, caplog, pieces):
    controller, found = unhandled
    with socket.create_connection((controller.hostname, controller.port), 10) as plain:
        plain.sendall(b"".join(pieces))
        replies = b""
        while octets := plain.recv(65536):
            replies += octets
    assert all(re.match(rb"[2-5]\d\d[ -]|\Z", line) for line in replies.split(b"\r\n"))
    assert found == []
    assert [record for record in caplog.records if record.exc_info] == []
