"""`mailstack dev` as a child process, with its API and Python's mail clients."""

from __future__ import annotations

import json
import poplib
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

from tests.journeys.process import MAILSTACK, Process, command
from tests.waiting import PATIENCE


class DevProcess(Process):
    """Ready when it is made."""

    PORTS: tuple[str, ...] = ("--port-base", "0")

    def __init__(self, directory: Path, *options: str, program: list[str] = MAILSTACK, **environ: str) -> None:
        """Other commands find it by a file in `directory`."""
        self.environ = {"XDG_RUNTIME_DIR": str(directory)}
        arguments = ("dev", "--json", "--quiet", *self.PORTS, *options)
        super().__init__(*arguments, environ={**self.environ, **environ}, program=program)
        self.facts: dict[str, Any] = json.loads(self.line())
        self.web: str = self.facts["web"]

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Trust in the environment's CA alone."""
        return ssl.create_default_context(cafile=self.facts["ca_file"])

    def at(self, service: str) -> tuple[str, int]:
        """Host and port of a service."""
        at = self.facts["services"][service]
        return at["host"], at["port"]

    def port(self, service: str) -> int:
        return self.at(service)[1]

    def mailstack(self, *arguments: str, status: int = 0) -> str:
        """Output of a command for this environment."""
        return command(*arguments, environ=self.environ, status=status)

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Response of the API, decoded from JSON."""
        octets = None if body is None else json.dumps(body).encode()
        request = Request(self.web + path, octets, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=PATIENCE) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def submission(self, user: str = "alice", password: str = "alice") -> smtplib.SMTP:
        """A client under verified TLS, logged in."""
        client = smtplib.SMTP("localhost", self.port("submission"), timeout=PATIENCE)
        client.starttls(context=self.trust)
        client.login(user, password)
        return client

    def submit(self, letter: bytes | EmailMessage, *recipients: str, sender: str = "alice@home.test") -> str:
        """Submits a letter as alice; its id."""
        with self.submission() as client:
            return transact(client, letter, sender, recipients)

    def capture(self, letter: bytes | EmailMessage, *recipients: str, sender: str = "app@example.test") -> str:
        """Hands a letter in at the capture port; its id."""
        with smtplib.SMTP(*self.at("capture"), timeout=PATIENCE) as client:
            client.ehlo()
            return transact(client, letter, sender, recipients)

    def reader(self, user: str, password: str = "") -> poplib.POP3:
        """A POP3 session under verified TLS; the default password is the name of the user."""
        client = poplib.POP3_SSL("localhost", self.port("pop3s"), timeout=PATIENCE, context=self.trust)
        client.user(user)
        client.pass_(password or user)
        return client


def transact(client: smtplib.SMTP, letter: bytes | EmailMessage, sender: str, recipients: tuple[str, ...]) -> str:
    """The id of a letter that is accepted."""
    octets = letter if isinstance(letter, bytes) else letter.as_bytes(policy=SMTP)
    client.mail(sender)
    for recipient in recipients:
        client.rcpt(recipient)
    code, said = client.data(octets)
    assert code == 250, said
    return said.decode().split()[-1]
