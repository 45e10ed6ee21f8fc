"""What a session answers to STARTTLS when a certificate is no longer to be had."""

from __future__ import annotations

from typing import Any

from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.replies import Reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ServerSession
from tests.protocols.smtp.pair import Wire


class Clock:
    """Time that stands still."""

    def now(self) -> float:
        return 0.0

    def steady(self) -> float:
        return 0.0


class QuietStation:
    """A station that nobody hands a letter to."""

    hostname = "mx.home.test"
    intake: Any = None

    async def check_client(self, client: object) -> None:
        """Everybody is welcome."""

    def header_hooks(self, client: object) -> tuple[()]:
        """No extension reads headers."""
        return ()


def test_starttls_that_was_offered_and_is_gone_is_answered_454_and_the_session_goes_on() -> None:
    """CODE-27."""
    server = ServerEngine(Capabilities("mx.home.test"))
    client = ClientEngine()
    wire = Wire(client, server)
    replies: list[Reply] = []

    async def ask() -> None:
        replies.append((await wire.client.next_event(10)).reply)
        for line in ("EHLO client.test", "STARTTLS", "NOOP", "QUIT"):
            if line == "STARTTLS":
                wire.server.can_start_tls = False
            wire.client.send(client.command(line))
            replies.append((await wire.client.next_event(10)).reply)
        wire.client.close()

    session = ServerSession(wire.server, server, QuietStation(), Clock())
    wire.converse(ask(), session.serve())
    assert [(each.code, str(each.status or "")) for each in replies[1:]] == [
        (250, ""),
        (454, "4.7.0"),
        (250, "2.0.0"),
        (221, "2.0.0"),
    ]
    assert "STARTTLS" in replies[1].text
