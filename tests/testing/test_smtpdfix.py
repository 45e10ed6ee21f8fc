"""Drop-in for smtpdfix: STARTTLS and logins, beyond smtpdfix's own tests."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstack.testing import smtpd, smtpdfix
from mailstack.testing.certificates import certificate_files
from tests.aid import examples

assert smtpd  # pytest finds the fixture by its name
LETTER = "From: a@shop.example\r\nSubject: Hello\r\n\r\nHi\r\n"


def client(server):
    return smtplib.SMTP(server.hostname, server.port, timeout=10)


@pytest.fixture
def trusting():
    return ssl.create_default_context(cafile=certificate_files().ca)


def test_starttls_and_a_login_may_be_required(smtpd, trusting):
    smtpd.config.use_starttls = True
    smtpd.config.enforce_auth = True
    with client(smtpd) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.mail("a@shop.example")[0] == 530
        assert smtp.docmd("AUTH", "PLAIN") == (530, b"Must issue a STARTTLS command first")
        smtp.starttls(context=trusting)
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        assert smtp.mail("a@shop.example") == (530, b"5.7.0 Authentication required")
        assert smtp.docmd("VRFY", "bob")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8"):
            smtp.login("user", "wrong")
        assert smtp.login("user", "password")[0] == 235
        assert smtp.docmd("AUTH", "PLAIN") == (503, b"Already authenticated")
        smtp.sendmail("a@shop.example", "b@shop.example", LETTER)
    assert [message["Subject"] for message in smtpd.messages] == ["Hello"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize(("password", "code"), [("password", 235), ("wrong", 535)])
def test_every_mechanism_accepts_the_users_password_alone(smtpd, mechanism, password, code):
    smtpd.config.auth_require_tls = False
    with client(smtpd) as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["auth"].split() == ["CRAM-MD5", "LOGIN", "PLAIN"]
        smtp.user, smtp.password = "user", password
        answer = getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}")
        if code == 235:
            assert smtp.auth(mechanism, answer)[0] == code
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError, match=str(code)):
                smtp.auth(mechanism, answer)


def test_a_login_may_be_cancelled_or_malformed(smtpd):
    smtpd.config.auth_require_tls = False
    with client(smtpd) as smtp:
        smtp.ehlo()
        assert smtp.docmd("AUTH", "LOGIN") == (334, b"VXNlcm5hbWU=")
        assert smtp.docmd("dXNlcg==") == (334, b"UGFzc3dvcmQ=")
        assert smtp.docmd("*") == (501, b"5.7.0 Auth aborted")
        assert smtp.docmd("AUTH", "PLAIN") == (334, b"")
        assert smtp.docmd("not base64!")[0] == 501
        assert smtp.docmd("AUTH", "PLAIN eA==")[0] == 535
        assert smtp.docmd("AUTH", "X-OTHER")[0] == 504
        assert smtp.login("user", "password")[0] == 235


def test_octets_that_are_no_handshake_end_the_connection(smtpd, caplog):
    smtpd.config.use_starttls = True
    with socket.create_connection((smtpd.hostname, smtpd.port), 10) as plain:
        plain.sendall(b"EHLO x\r\n")
        while b"250 HELP" not in plain.recv(4096):
            pass
        plain.sendall(b"STARTTLS\r\n")
        assert plain.recv(4096).startswith(b"220 ")
        plain.sendall(b"MAIL FROM:<a@shop.example>\r\n" * 10)
        assert b"250" not in plain.recv(4096)
        assert plain.recv(4096) == b""
    smtpd.stop()
    assert "the TLS handshake failed" in caplog.text


COMMANDS = [
    *(b"EHLO x\r\n", b"MAIL FROM:<a@b.c>\r\n", b"DATA\r\n", b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n", b"AUTH CRAM-MD5\r\n"),
    *(b"AUTH PLAIN AGEAYg==\r\n", b"AUTH X-OTHER\r\n", b"YQ==\r\n", b"*\r\n", b"=\r\n", b"!\r\n", b"QUIT\r\n", b"\n"),
]


@pytest.fixture(scope="module")
def unhandled():
    """A server, and the errors that its loop has caught."""
    found = []
    config = smtpdfix.Config()
    config.auth_require_tls = False
    server = smtpdfix.AuthController(config=config, timeout=0.05)
    server.start()
    server.loop.set_exception_handler(lambda _loop, context: found.append(context))
    yield server, found
    server.stop()


@given(pieces=st.lists(st.one_of(st.sampled_from(COMMANDS), st.binary(max_size=30)), max_size=14))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_of_a_client_are_answered_by_replies(unhandled, caplog, pieces):
    server, found = unhandled
    with socket.create_connection((server.hostname, server.port), 10) as plain:
        plain.sendall(b"".join(pieces))
        replies = b""
        while octets := plain.recv(65536):
            replies += octets
    assert all(re.match(rb"[2-5]\d\d[ -]|\Z", line) for line in replies.split(b"\r\n"))
    assert found == []
    assert [record for record in caplog.records if record.exc_info] == []
