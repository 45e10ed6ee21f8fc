"""Running dev environment with SMTP and API clients for tests of the pages."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from tests.journeys.dev import DevProcess
from tests.waiting import PATIENCE, until

T = TypeVar("T")
BATCH = 50
"""Letters whose commands are sent at once."""


class Environment(DevProcess):
    send = DevProcess.capture

    def fill(self, *subjects: str) -> None:
        """Hands in letters for bob by commands that don't wait for replies (RFC 2920, RFC 3030), and waits for all."""
        fields = "From: App <app@example.test>\r\nTo: bob@home.test\r\nSubject: "
        letters = [f"{fields}{each}\r\n\r\nHello Bob\r\n".encode() for each in subjects]
        before = self.total()
        with socket.create_connection(self.at("capture"), PATIENCE) as client, client.makefile("rb") as replies:
            client.sendall(b"EHLO client.test\r\n")
            while not replies.readline().startswith(b"250 "):
                pass
            for start in range(0, len(letters), BATCH):
                batch = letters[start : start + BATCH]
                transaction = b"MAIL FROM:<app@example.test>\r\nRCPT TO:<bob@home.test>\r\nBDAT %d LAST\r\n%b"
                client.sendall(b"".join(transaction % (len(octets), octets) for octets in batch))
                answers = [replies.readline() for _ in range(3 * len(batch))]
                assert all(each.startswith(b"250 ") for each in answers), answers
        self.wait(lambda: self.total() == before + len(letters))

    def total(self) -> int:
        """How many letters there are."""
        return int(self.api("GET", "v1/letters?limit=1")["total"])

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
