"""Mailpit's passwords and pattern of recipients, in a real process: who may see letters, and who may hand them in."""

from __future__ import annotations

import json
import poplib
import smtplib
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import bcrypt
import pytest

from tests.journeys.process import Process


def status(url: str, login: str = "", body: bytes | None = None) -> int:
    fields = {"Authorization": "Basic " + b64encode(login.encode()).decode()} if login else {}
    if body is not None:
        fields["Content-Type"] = "application/json"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, fields), timeout=20) as answer:
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        return error.code


def test_letters_are_for_those_who_log_in_and_from_them(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    (tmp_path / "passwords").write_text(f"ann:{hashed}\n")
    options = ("--smtp", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--pop3", "127.0.0.1:0", "--ui-auth-file")
    environ = {
        "XDG_RUNTIME_DIR": str(tmp_path),
        "MP_SMTP_AUTH": "robot:beep",
        "MP_SMTP_ALLOWED_RECIPIENTS": r"@allowed\.test$",
    }
    file = str(tmp_path / "passwords")
    with Process("dev", "--json", "--compat", "mailpit", *options, file, environ=environ) as process:
        facts = json.loads(process.line())
        with smtplib.SMTP("127.0.0.1", facts["services"]["capture"]["port"], timeout=20) as client:
            client.ehlo()
            assert client.mail("a@b.test")[0] == 530
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("robot", "boop")
            client.login("robot", "beep")
            refused = client.sendmail("a@b.test", ["c@allowed.test", "d@other.test"], "Subject: x\r\n\r\nx\r\n")
            assert {to: code for to, (code, _) in refused.items()} == {"d@other.test": 550}
        for path in ("api/v1/messages", "v1/letters", "view/latest.txt"):
            assert status(facts["web"] + path) == 401, path
            assert status(facts["web"] + path, "ann:wrong") == 401, path
            assert status(facts["web"] + path, "alice@home.test:alice") == 401, path
            assert status(facts["web"] + path, "ann:secret") == 200, path
        assert status(facts["web"] + "livez") == 200, "as Mailpit's, it says nothing"
        wanted = json.dumps({"username": "ann", "password": "secret"}).encode()
        assert status(facts["web"] + "v1/login", body=wanted) == 200, "a browser's session"


def test_greenmails_users_log_in_by_their_names(tmp_path: Path) -> None:
    """By the local part, whatever their domain, or as the API was told; by their addresses too."""
    ports = [f"-Dgreenmail.{protocol}.port=0" for protocol in ("smtp", "pop3", "api")]
    users = "-Dgreenmail.users=test1:pw1@localhost,test1:pw2@elsewhere.test"
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    setup = [f"-Dgreenmail.setup.test.{protocol}" for protocol in ("smtp", "pop3", "api")]
    with Process(
        "dev", "--json", "--quiet", "--compat", "greenmail", *setup, *ports, users, environ=environ
    ) as process:
        facts = json.loads(process.line())
        body = json.dumps({"email": "foo@bar.test", "login": "some id", "password": "pw3"}).encode()
        assert status(facts["web"] + "api/user", body=body) == 200

        def letters(login: str, password: str) -> int:
            reader = poplib.POP3("127.0.0.1", facts["services"]["pop3"]["port"], timeout=20)
            reader.user(login)
            reader.pass_(password)
            found = reader.stat()[0]
            reader.quit()
            return found

        with smtplib.SMTP("127.0.0.1", facts["services"]["capture"]["port"], timeout=20) as client:
            client.login("test1", "pw1")
            client.sendmail("a@b.test", ["test1@localhost", "foo@bar.test"], "Subject: x\r\n\r\nx\r\n")
        assert letters("test1", "pw1") == letters("test1@localhost", "pw1") == letters("some id", "pw3") == 1
        assert letters("test1@elsewhere.test", "pw2") == 0
        with pytest.raises(poplib.error_proto):
            letters("test1", "pw2")
        assert process.stop() == 0
