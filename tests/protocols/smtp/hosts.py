"""Small receiving hosts for tests: one that answers events by a table, and one that speaks from a script of octets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from mailstack.protocols.connection import NEED_DATA, Disconnected, ShuttingDown, Signal, TimedOut
from mailstack.protocols.line_buffer import LineBuffer
from mailstack.protocols.smtp.commands import (
    Auth,
    AuthResponse,
    Bdat,
    Chunk,
    Data,
    EndOfData,
    Hello,
    Quit,
    Rcpt,
    Rejected,
    ServerEvent,
    StartTls,
)
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.protocols.smtp.pair import MemoryPeer

CAPABILITIES = Capabilities("mx.home.test", max_size=100_000, starttls=True)
GREETING = reply(220, None, "mx.home.test ESMTP")
OK = reply(250, "2.0.0", "OK")


ANSWERS: dict[type, Reply] = {
    Hello: reply(250, None, "mx.home.test at your service"),
    Data: reply(354, None, "end with a dot"),
    Quit: reply(221, "2.0.0", "mx.home.test goodbye", closes=True),
    StartTls: reply(220, "2.0.0", "go ahead"),
    Auth: reply(235, "2.7.0", "welcome"),
    AuthResponse: reply(235, "2.7.0", "welcome"),
}
UNKNOWN = reply(550, "5.1.1", "no such mailbox")
QUEUED = reply(250, "2.0.0", "queued as 0123456789abcde")


def answer_to(event: ServerEvent) -> Reply:
    """What a friendly host says; it has no mailbox whose name begins with "no"."""
    if isinstance(event, Rejected):
        return event.reply
    if isinstance(event, EndOfData):
        return event.fault or QUEUED
    if isinstance(event, Rcpt) and event.address.local.startswith("no"):
        return UNKNOWN
    return ANSWERS.get(type(event), OK)


@define
class Host:
    """A receiving host that keeps what it took."""

    engine: ServerEngine
    answers: Callable[[ServerEvent], Reply] = answer_to
    events: list[ServerEvent] = field(factory=list)
    letters: list[bytes] = field(factory=list)

    async def serve(self, peer: MemoryPeer) -> None:
        peer.send(self.engine.greet(GREETING))
        content: list[bytes] = []
        while True:
            event: Any = await peer.next_event(300)
            if isinstance(event, Disconnected | TimedOut | ShuttingDown):
                break
            self.events.append(event)
            if isinstance(event, Chunk):
                content.append(event.octets)
            if isinstance(event, Bdat | Chunk):
                continue
            answer = self.answers(event)
            if isinstance(event, EndOfData):
                if answer.positive:
                    self.letters.append(b"".join(content))
                content = []
            peer.send(self.engine.answer(answer))
            if isinstance(event, StartTls) and answer.positive:
                await peer.start_tls()
            if answer.closes:
                break
        peer.close()


class ScriptedEngine:
    """Says the next piece of a script for each line it hears: hosts that no engine of ours would be."""

    def __init__(self) -> None:
        self.lines = LineBuffer()
        self.heard: list[bytes] = []

    def receive(self, octets: bytes) -> None:
        self.lines.receive(octets)

    def next_event(self) -> bytes | Signal:
        line = self.lines.line(1_000_000)
        if line is None:
            return NEED_DATA
        self.heard.append(line)
        return line

    def tls_started(self) -> None:
        self.lines.clear()

    @property
    def buffered(self) -> int:
        return len(self.lines)


async def recite(peer: MemoryPeer, greeting: bytes, script: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Wait for each line that begins so, then say that; None hangs up."""
    peer.send(greeting)
    for beginning, octets in script:
        while True:
            event = await peer.next_event(300)
            if not isinstance(event, bytes):
                peer.close()
                return
            if event.startswith(beginning):
                break
        if octets is None:
            break
        peer.send(octets)
    peer.close()
