"""The drop-in for aiosmtpd: handlers written for it are asked the same, and their answers are given."""
# ruff: noqa: N802 - the names of hooks are aiosmtpd's

from __future__ import annotations

import asyncio
import mailbox
import re
import smtplib
import socket
import ssl
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstack.testing.aiosmtpd.controller import Controller, UnixSocketController, UnthreadedController
from mailstack.testing.aiosmtpd.handlers import AsyncMessage, Debugging, Mailbox, Message, Proxy, Sink
from mailstack.testing.aiosmtpd.smtp import MISSING, AuthResult, LoginPassword, auth_mechanism
from mailstack.testing.keys import certificate_files

LETTER = "From: a@shop.example\r\nSubject: Hello\r\n\r\nHi\r\n.dot\r\n"


def running(handler, **options):
    return Controller(handler, hostname="127.0.0.1", port=0, **options)


def client(controller):
    return smtplib.SMTP(controller.hostname, controller.port, timeout=10)


class Everything:
    """Has every hook, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [*responses[:-1], "250-XFOO", responses[-1]]

    async def handle_HELO(self, server, session, envelope, hostname):
        session.host_name = hostname
        return "250 come in"

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.asked.append(("MAIL", address, options))
        envelope.mail_from = address
        return "250 sender fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not address.endswith("@shop.example"):
            return "550 not relaying to that domain"
        envelope.rcpt_tos.append(address)
        return "250 recipient fine"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(0)
        self.asked.append((session.host_name, session.peer[0], envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken\r\n".strip()

    async def handle_RSET(self, server, session, envelope):
        return "250 forgotten"

    async def handle_NOOP(self, server, session, envelope, argument):
        return "250-still\r\n250 here"

    async def handle_VRFY(self, server, session, envelope, address):
        raise LookupError(f"who is {address}?")

    async def handle_QUIT(self, server, session, envelope):
        return "221 farewell"


def test_every_hook_is_asked_and_its_answer_given():
    handler = Everything()
    with running(handler) as controller, client(controller) as smtp:
        assert smtp.ehlo("me.example")[0] == 250
        assert smtp.has_extn("xfoo")
        assert smtp.has_extn("8bitmime")
        assert smtp.noop() == (250, b"still\nhere")
        assert smtp.rset() == (250, b"forgotten")
        assert smtp.verify("<bob>") == (500, b"Error: (LookupError) who is bob?")
        refused = smtp.sendmail("a@shop.example", ["b@shop.example", "c@elsewhere.example"], LETTER, ["BODY=8BITMIME"])
        assert refused == {"c@elsewhere.example": (550, b"not relaying to that domain")}
        assert smtp.docmd("QUIT") == (221, b"farewell")
    assert handler.asked == [
        ("MAIL", "a@shop.example", [f"SIZE={len(LETTER)}", "BODY=8BITMIME"]),
        ("me.example", "127.0.0.1", "a@shop.example", ["b@shop.example"], LETTER.encode()),
    ]


def test_without_hooks_everything_is_taken():
    with running(Sink(), data_size_limit=1000, ident="server of a test") as controller:
        with socket.create_connection((controller.hostname, controller.port), 10) as plain:
            assert plain.recv(1024).endswith(b" server of a test\r\n")
        with client(controller) as smtp:
            smtp.sendmail("", "b@shop.example", LETTER)
            with pytest.raises(smtplib.SMTPSenderRefused, match="552"):
                smtp.sendmail("a@shop.example", "b@shop.example", "x" * 2000)
            assert smtp.docmd("EXPN", "list")[0] == 502
            assert smtp.verify("bob")[0] == 252
            assert smtp.docmd("HELP")[0] == 250
            assert smtp.helo() == (250, controller.smtpd.hostname.encode())


class Unhelpful:
    async def handle_DATA(self, server, session, envelope):
        return None

    async def handle_exception(self, error):
        return f"451 {type(error).__name__}, try again"


def test_a_handler_may_say_what_is_told_of_its_bugs():
    with running(Unhelpful()) as controller, client(controller) as smtp:
        with pytest.raises(smtplib.SMTPDataError, match=r"451.*ValueError"):
            smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
        assert smtp.noop()[0] == 250


@pytest.fixture
def server_tls():
    files = certificate_files()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.fixture
def client_tls():
    return ssl.create_default_context(cafile=certificate_files().ca)


def judge(server, session, envelope, mechanism, data):
    assert isinstance(data, LoginPassword)
    assert "secret" not in repr(data)
    return AuthResult(success=data.password == b"secret", handled=False, auth_data=data)


class Fussy(Sink):
    def __init__(self, *, content):
        self.content = content
        self.seen = []

    def handle_STARTTLS(self, server, session, envelope):
        return self.content

    async def handle_DATA(self, server, session, envelope):
        self.seen.append((session.authenticated, session.auth_data.login, session.ssl["cipher"][1]))
        return "250 OK"


def test_starttls_and_login_may_be_demanded(server_tls, client_tls):
    handler = Fussy(content=True)
    options = {"tls_context": server_tls, "require_starttls": True, "auth_required": True, "authenticator": judge}
    with running(handler, **options) as controller, client(controller) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.mail("a@shop.example")[0] == 530
        assert smtp.docmd("AUTH", "PLAIN")[0] == 530
        smtp.starttls(context=client_tls)
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        assert smtp.mail("a@shop.example") == (530, b"5.7.0 Authentication required")
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8"):
            smtp.login("bob", "wrong")
        for mechanism in ("PLAIN", "LOGIN"):
            smtp.user, smtp.password = "bob", "secret"
            if not handler.seen:
                assert smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"))[0] == 235
            smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
        assert smtp.docmd("AUTH", "PLAIN") == (503, b"Already authenticated")
    assert handler.seen == [(True, b"bob", "TLSv1.3")] * 2


def test_what_was_negotiated_may_displease(server_tls, client_tls):
    with running(Fussy(content=False), tls_context=server_tls) as controller, client(controller) as smtp:
        smtp.starttls(context=client_tls)
        assert smtp.ehlo()[0] == 554
        assert smtp.docmd("QUIT")[0] == 221


def test_login_by_its_own_dialogue_and_its_cancellation():
    with running(Sink(), auth_require_tls=False, authenticator=judge) as controller, client(controller) as smtp:
        smtp.ehlo()
        assert smtp.docmd("AUTH", "LOGIN") == (334, b"VXNlciBOYW1lAA==")
        assert smtp.docmd("Ym9i") == (334, b"UGFzc3dvcmQA")
        assert smtp.docmd("*") == (501, b"5.7.0 Auth aborted")
        assert smtp.docmd("AUTH", "PLAIN") == (334, b"")
        assert smtp.docmd("not base64!")[0] == 501
        assert smtp.docmd("AUTH", "PLAIN eA==") == (501, b"5.5.2 Can't split auth value")
        assert smtp.docmd("AUTH", "X-OTHER")[0] == 504
        assert smtp.login("bob", "secret")[0] == 235


class OwnMechanism(Sink):
    async def auth_KEY(self, server, args):
        response = await server.challenge_auth("which?")
        return "bob" if response == b"open" else MISSING if response is not MISSING else None

    @auth_mechanism("x-other-key")
    async def auth_other(self, server, args):
        await server.push("454 not today")
        return AuthResult(success=False)


def test_a_handler_may_bring_mechanisms():
    options = {"auth_require_tls": False, "auth_exclude_mechanism": ["PLAIN", "LOGIN"]}
    with running(OwnMechanism(), **options) as controller, client(controller) as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["auth"].split() == ["KEY", "X-OTHER-KEY"]
        assert smtp.docmd("AUTH", "X-OTHER-KEY") == (454, b"not today")
        assert smtp.docmd("AUTH", "KEY") == (334, b"d2hpY2g/")
        assert smtp.docmd("eA==")[0] == 535
        smtp.docmd("AUTH", "KEY")
        assert smtp.docmd("b3Blbg==")[0] == 235
        assert smtp.mail("a@shop.example")[0] == 250


def test_too_many_calls_and_too_many_unknown_commands_end_it():
    with running(Sink(), command_call_limit={"NOOP": 2, "*": 10}) as controller:
        with client(controller) as smtp:
            assert [smtp.noop()[0] for _ in range(3)] == [250, 250, 421]
        with client(controller) as smtp:
            assert [smtp.docmd(f"FOO{number}")[0] for number in range(5)] == [500, 500, 500, 500, 502]
            with pytest.raises(smtplib.SMTPServerDisconnected):
                smtp.noop()
    with pytest.raises(TypeError):
        running(Sink(), command_call_limit="many").start()


def test_a_client_that_goes_in_the_middle_harms_nobody():
    handler = Everything()
    with running(handler) as controller:
        with socket.create_connection((controller.hostname, controller.port), 10) as plain:
            plain.sendall(b"EHLO x\r\nMAIL FROM:<a@shop.example>\r\nRCPT TO:<b@shop.example>\r\nDATA\r\nSubject: x\r\n")
            while b"354" not in plain.recv(4096):
                pass
        with client(controller) as smtp:
            smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
    assert [each[0] for each in handler.asked] == ["MAIL", "MAIL", smtp.local_hostname]


def test_who_says_nothing_is_let_go():
    with (
        running(Sink(), timeout=0.05) as controller,
        socket.create_connection((controller.hostname, controller.port), 10) as plain,
    ):
        assert plain.recv(1000).startswith(b"220 ")
        assert plain.recv(1000) == b""


class Kept(Message):
    def __init__(self):
        super().__init__()
        self.messages = []

    def handle_message(self, message):
        self.messages.append(message)


class KeptLater(AsyncMessage):
    def __init__(self):
        super().__init__()
        self.messages = []

    async def handle_message(self, message):
        await asyncio.sleep(0)
        self.messages.append(message)


@pytest.mark.parametrize("kind", [Kept, KeptLater])
@pytest.mark.parametrize("decode", [False, True])
def test_letters_as_messages(kind, decode):
    handler = kind()
    with running(handler, decode_data=decode) as controller, client(controller) as smtp:
        smtp.sendmail("a@shop.example", ["b@shop.example", "c@shop.example"], LETTER)
    (message,) = handler.messages
    assert (message["Subject"], message["X-MailFrom"]) == ("Hello", "a@shop.example")
    assert message["X-RcptTo"] == "b@shop.example, c@shop.example"


def test_a_maildir_a_printout_and_another_server(tmp_path):
    out, kept = StringIO(), Kept()
    with running(kept) as last:
        for handler in (
            Mailbox(tmp_path / "mail"),
            Debugging(out),
            Proxy(last.hostname, last.port),
            Proxy(last.hostname, 1),
        ):
            with running(handler) as controller, client(controller) as smtp:
                smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
    assert [each["Subject"] for each in mailbox.Maildir(tmp_path / "mail")] == ["Hello"]
    assert "MESSAGE FOLLOWS" in out.getvalue()
    assert "X-Peer: ('127.0.0.1'" in out.getvalue()
    (passed_on,) = kept.messages
    assert passed_on.get_all("X-Peer")[0] == "127.0.0.1"


def test_a_controller_starts_again_and_says_why_it_can_not(tmp_path):
    controller = running(Sink())
    with pytest.raises(AssertionError, match="not running"):
        controller.stop()
    controller.start()
    port = controller.port
    with pytest.raises(OSError, match="in use"):
        Controller(Sink(), hostname="127.0.0.1", port=port).start()
    controller.stop()
    controller.start()
    assert controller.port == port
    with client(controller) as smtp:
        assert smtp.noop()[0] == 250
    controller.stop(no_assert=True)
    controller.stop(no_assert=True)
    with UnixSocketController(Sink(), tmp_path / "socket"), socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(tmp_path / "socket"))
        assert plain.recv(100).startswith(b"220 ")


def test_a_factory_that_fails_is_heard_where_the_server_is_started():
    class Broken(Controller):
        def factory(self):
            raise ArithmeticError("no server of this kind")

    controller = Broken(Sink(), hostname="127.0.0.1", port=0)
    controller.loop.set_exception_handler(lambda *_: None)
    with pytest.raises(ArithmeticError):
        controller.start()
    controller.stop()


def test_in_a_loop_of_somebody_else():
    loop = asyncio.new_event_loop()
    controller = UnthreadedController(Sink(), hostname="127.0.0.1", port=0, loop=loop)
    controller.begin()
    with socket.create_connection(("127.0.0.1", controller.port), 10) as plain:
        greeting = loop.run_until_complete(loop.run_in_executor(None, plain.recv, 100))
        assert greeting.startswith(b"220 ")
    controller.end()
    assert controller.ended.is_set()
    loop.run_until_complete(loop.shutdown_default_executor())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
    loop.close()


class Hopeless(Unhelpful):
    async def handle_exception(self, error):
        return "no reply"


def test_a_handler_whose_words_on_its_bugs_are_no_reply_either_is_told_so():
    with running(Hopeless()) as controller, client(controller) as smtp:
        with pytest.raises(smtplib.SMTPDataError, match=r"500.*must return a reply"):
            smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
        assert smtp.noop()[0] == 250


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    b"EHLO x\r\n",
                    b"HELO x\r\n",
                    b"MAIL FROM:<a@b.c> SIZE=9\r\n",
                    b"MAIL FROM:<>\r\n",
                    b"RCPT TO:<a@b.c>\r\n",
                ),
                *(
                    b"DATA\r\n",
                    b"x\r\n.\r\n",
                    b"..\r\n",
                    b"AUTH PLAIN\r\n",
                    b"AUTH LOGIN\r\n",
                    b"AUTH PLAIN AGEAYg==\r\n",
                ),
                *(
                    b"AUTH KEY\r\n",
                    b"AUTH X-OTHER-KEY\r\n",
                    b"YQ==\r\n",
                    b"*\r\n",
                    b"=\r\n",
                    b"!\r\n",
                    b"NOOP\r\n",
                    b"RSET\r\n",
                ),
                *(
                    b"VRFY a\r\n",
                    b"EXPN a\r\n",
                    b"HELP\r\n",
                    b"STARTTLS\r\n",
                    b"BDAT 4 LAST\r\n",
                    b"FOO\r\n",
                    b"QUIT\r\n",
                    b"\n",
                ),
            ]
        ),
        st.binary(max_size=30),
    ),
    max_size=14,
)


@pytest.fixture(scope="module")
def unhandled():
    """A server whose loop tells what nobody caught."""
    found = []
    controller = running(OwnMechanism(), auth_require_tls=False, authenticator=judge, timeout=0.05)
    controller.loop.set_exception_handler(lambda _loop, context: found.append(context))
    with controller:
        yield controller, found


@given(pieces=PIECES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_client_sends_is_answered_by_replies(unhandled, caplog, pieces):
    controller, found = unhandled
    with socket.create_connection((controller.hostname, controller.port), 10) as plain:
        plain.sendall(b"".join(pieces))
        said = b""
        while octets := plain.recv(65536):
            said += octets
    assert all(re.match(rb"[2-5]\d\d[ -]|\Z", line) for line in said.split(b"\r\n"))
    assert found == []
    assert [record for record in caplog.records if record.exc_info] == []
