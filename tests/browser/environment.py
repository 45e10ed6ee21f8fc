"""Running dev environment with SMTP and API clients for tests of the pages."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from tests.journeys.process import Process
from tests.waiting import PATIENCE, until

T = TypeVar("T")


class Environment:
    """The facts of a dev environment, and what one does with it."""

    def __init__(self, process: Process, environ: dict[str, str]) -> None:
        """`environ` is what commands need to find it."""
        self.environ = environ
        self.facts: dict[str, Any] = json.loads(process.line())
        self.web: str = self.facts["web"]

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers, in Python's values."""
        octets = None if body is None else json.dumps(body).encode()
        request = Request(self.web + path, octets, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=PATIENCE) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def send(self, letter: EmailMessage | bytes, *recipients: str, sender: str = "app@example.test") -> str:
        """Hand a letter in at the capture port; gives back its id."""
        octets = letter if isinstance(letter, bytes) else letter.as_bytes(policy=SMTP)
        at = self.facts["services"]["capture"]
        with smtplib.SMTP(at["host"], at["port"], timeout=PATIENCE) as client:
            client.ehlo()
            return self._transaction(client, sender, recipients, octets)

    def submit(self, letter: EmailMessage, *recipients: str, sender: str = "alice@home.test") -> str:
        """Submit a letter as alice, who logs in; gives back its id."""
        at = self.facts["services"]["submission"]
        with smtplib.SMTP(at["host"], at["port"], timeout=PATIENCE) as client:
            client.starttls()
            client.login("alice", "alice")
            return self._transaction(client, sender, recipients, letter.as_bytes(policy=SMTP))

    @staticmethod
    def _transaction(client: smtplib.SMTP, sender: str, recipients: tuple[str, ...], octets: bytes) -> str:
        client.mail(sender)
        for recipient in recipients:
            client.rcpt(recipient)
        return client.data(octets)[1].decode().split()[-1]

    def empty(self) -> None:
        """Delete every letter."""
        self.api("DELETE", "v1/letters", {"all": True})

    def wait(self, look: Callable[[], T]) -> T:
        """What `look` finds, once it finds something."""
        return until(look, "what was looked for was there")

    def summary(self, letter: str) -> dict[str, Any]:
        """The letter as the API has it, once it is there."""
        return self.wait(lambda: next((each for each in self.listed() if each["id"] == letter), None))  # type: ignore[return-value]

    def listed(self) -> list[dict[str, Any]]:
        """The newest letters."""
        return list(self.api("GET", "v1/letters?limit=50")["letters"])
