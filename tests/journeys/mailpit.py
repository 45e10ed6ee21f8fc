"""`mailstack dev --compat mailpit` as a process, and its API."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any, Self

from tests.journeys.process import Process

ANYWHERE = ("--smtp", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--pop3", "127.0.0.1:0")
LETTER = "From: Ann <a@b.test>\r\nSubject: {}\r\nMessage-ID: <{}@a.test>\r\n\r\nHello.\r\n"


class Mailpit(Process):
    """Ready when it is made."""

    def __init__(self, tmp_path: Path, *options: str, **environ: str) -> None:
        self.environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
        arguments = ("dev", "--json", "--quiet", "--compat", "mailpit", *ANYWHERE, *options)
        super().__init__(*arguments, environ={**self.environ, **environ})
        self.facts: dict[str, Any] = json.loads(self.line())

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def at(self, service: str) -> tuple[str, int]:
        at = self.facts["services"][service]
        return at["host"], at["port"]

    def ask(
        self, path: str, body: object = None, *, context: ssl.SSLContext | None = None, login: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of an answer."""
        fields = {"Authorization": "Basic " + b64encode(login.encode()).decode()} if login else {}
        octets = None if body is None else json.dumps(body).encode()
        if octets is not None:
            fields["Content-Type"] = "application/json"
        request = urllib.request.Request(self.facts["web"] + path, octets, fields)
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path: str, **how: Any) -> Any:
        status, octets = self.ask(path, **how)
        assert status == 200, octets
        return json.loads(octets)

    def send(self, *to: str, subject: str = "hello", number: int = 1, sender: str = "a@b.test") -> dict[str, Any]:
        """By SMTP; gives the recipients that were refused."""
        with smtplib.SMTP(*self.at("capture"), timeout=20) as client:
            return dict(client.sendmail(sender, list(to), LETTER.format(subject, number)))

    def got(self, to: str, subject: str = "") -> Any:
        """The message for an address, once it is here."""
        self.get(f"v1/wait?to={to}&subject={subject}&timeout=20")
        found = self.get(
            f"api/v1/search?query=addressed:{to}%20subject:{subject}"
            if subject
            else f"api/v1/search?query=addressed:{to}"
        )
        return self.get(f"api/v1/message/{found['messages'][0]['ID']}")

    def deferred(self) -> Any:
        """The first letter of the queue, once an attempt has failed."""
        for _ in range(2000):
            for each in self.get("v1/queue")["letters"]:
                if any(delivery["attempts"] and delivery["text"] for delivery in each["deliveries"]):
                    return each
        raise AssertionError("no attempt has failed")
