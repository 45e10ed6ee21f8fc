"""`mailstack dev --compat mailpit` as a process, and its API."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from typing import Any

from tests.journeys.dev import DevProcess

LETTER = "From: Ann <a@b.test>\r\nSubject: {}\r\nMessage-ID: <{}@a.test>\r\n\r\nHello.\r\n"


class GreenMail(DevProcess):
    PORTS = ("--compat", "greenmail")


class Mailpit(DevProcess):
    PORTS = ("--compat", "mailpit", "--smtp", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--pop3", "127.0.0.1:0")

    def ask(
        self, path: str, body: object = None, *, context: ssl.SSLContext | None = None, login: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of an answer."""
        fields = {"Authorization": "Basic " + b64encode(login.encode()).decode()} if login else {}
        octets = None if body is None else json.dumps(body).encode()
        if octets is not None:
            fields["Content-Type"] = "application/json"
        request = urllib.request.Request(self.web + path, octets, fields)
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
        found = self.get(f"api/v1/search?query=addressed:{to}" + (f"%20subject:{subject}" if subject else ""))
        return self.get(f"api/v1/message/{found['messages'][0]['ID']}")

    def deferred(self) -> Any:
        """The first letter of the queue, once an attempt has failed."""
        for _ in range(2000):
            for each in self.get("v1/queue")["letters"]:
                if any(delivery["attempts"] and delivery["text"] for delivery in each["deliveries"]):
                    return each
        raise AssertionError("no attempt has failed")
