"""Everybody who uses the nodes while things go wrong: senders who try again, and readers who delete what they read."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import smtplib
import threading
import time

from attrs import define, field, frozen

from tests.crash.ledger import Ledger
from tests.crash.load import TROUBLE, empty_mailbox
from tests.nodes.node import Node

READERS = [f"r{number}" for number in range(6)]
SENDER = "alice"
PEOPLE = [SENDER, *READERS]
FAR = "far.test"
_QUEUED = re.compile(rb"queued as (\w+)")
REST = 0.05
"""Seconds that a sender waits after a trouble."""
LONGEST_WAIT = 60.0
"""Seconds for any reply; a node that takes longer is counted as one that hangs."""


@frozen
class Reply:
    """What a sender heard of a letter."""

    at: float
    """time.monotonic()."""
    node: str
    code: int
    """0: the connection was refused, or broke."""
    waited: float
    """Seconds since the connection or the letter's first command."""
    text: str = ""


@define
class People:
    """Threads that go on until `stop`, whatever becomes of their node."""

    ledger: Ledger
    name: str
    """What tokens begin with, so that they are of these people alone."""
    replies: list[Reply] = field(factory=list)
    unanswered: set[str] = field(factory=set)
    """Tokens of letters that got no 250: they may be there, or not."""
    size: int = 1000
    pause: float = 0.0
    """Seconds between the letters of a sender."""
    over: threading.Event = field(factory=threading.Event)
    _threads: list[threading.Thread] = field(factory=list)
    _numbers: itertools.count[int] = field(factory=itertools.count)

    def send_to(self, node: Node, senders: int = 1) -> None:
        for _ in range(senders):
            self._start(self._send, node)

    def read_at(self, nodes: list[Node], reader: str) -> None:
        self._start(self._read, nodes, reader)

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(2 * LONGEST_WAIT)
            assert not thread.is_alive(), "somebody waits for ever"

    def first_taken_after(self, moment: float, node: str = "") -> float | None:
        """Seconds from a moment to the next 250 (of a node)."""
        found = [each.at for each in self.replies if each.code == 250 and each.at > moment and node in ("", each.node)]
        return min(found) - moment if found else None

    def _start(self, do: object, *arguments: object) -> None:
        thread = threading.Thread(target=do, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    # --- senders

    def _send(self, node: Node) -> None:
        dice = random.Random(next(self._numbers))
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=LONGEST_WAIT) as client:
                    begun = time.monotonic()
                    client.login(SENDER, SENDER)
                    while not self.over.wait(self.pause) and self._send_one(client, node, dice):
                        pass
            except smtplib.SMTPResponseException as refused:
                self._hear(node, int(refused.smtp_code), begun, str(refused.smtp_error))
            except (OSError, EOFError, smtplib.SMTPException) as broken:
                self._hear(node, 0, begun, repr(broken))
            self.over.wait(REST)

    def _send_one(self, client: smtplib.SMTP, node: Node, dice: random.Random) -> bool:
        """Whether it was taken."""
        number = next(self._numbers)
        token = f"{self.name}-{number}"
        recipients = [f"{reader}@{node.domain}" for reader in dice.sample(READERS, dice.choice([1, 1, 2]))]
        recipients += [f"carol{number % 7}@{FAR}"] if number % 2 else []
        octets = 200_000 if number % 40 == 0 else self.size
        self.unanswered.add(token)
        begun = time.monotonic()
        try:
            code, text = client.mail(f"{SENDER}@{node.domain}")
            for recipient in recipients:
                if code == 250:
                    code, text = client.rcpt(recipient)
            if code == 250:
                code, text = client.data(f"Subject: {token}\r\n\r\n" + f"{'x' * 70}\r\n" * (octets // 72))
        except smtplib.SMTPResponseException as refused:
            code, text = refused.smtp_code, refused.smtp_error
        except (OSError, smtplib.SMTPException) as broken:
            self._hear(node, 0, begun, repr(broken))
            client.close()
            return False
        if code == 250:
            queued = _QUEUED.search(text)
            assert queued is not None, text
            self.ledger.acknowledge(token, queued[1].decode(), tuple(recipients))
            self.unanswered.discard(token)
        self._hear(node, code, begun, "" if code == 250 else str(text))
        return code == 250

    def _hear(self, node: Node, code: int, begun: float, text: str) -> None:
        now = time.monotonic()
        self.replies.append(Reply(now, node.name, code, now - begun, text))

    # --- readers

    def _read(self, nodes: list[Node], reader: str) -> None:
        dice = random.Random(reader)
        while not self.over.wait(REST):
            with contextlib.suppress(*TROUBLE):
                empty_mailbox(self.ledger, dice.choice(nodes), reader, most=50)
