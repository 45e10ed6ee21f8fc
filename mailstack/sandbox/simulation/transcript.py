"""Transcript of all simulated sessions, and the journey of a letter across servers."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.letter.envelope import HostPort
from mailstack.letter.times import elapsed_text
from mailstack.net.client_tls import ClientTls
from mailstack.net.connector import TwistedConnector
from mailstack.protocols.connection import ConnectFailed, Dane, Engine, EventT, Peer, Source, TappedEngine
from mailstack.sandbox.recording import RecordingPeer, SessionTranscript
from mailstack.sandbox.simulation.host import Host
from mailstack.store import Store

MAX_LINES = 100_000
"""Default limit of lines in a transcript."""


class Transcript:
    """Session transcripts in the order of their start. Two transcripts are equal if their text is equal.

    Above the limit of lines, the oldest sessions are dropped.
    """

    def __init__(self, now: Callable[[], float], max_lines: int = MAX_LINES) -> None:
        """`now` gives virtual seconds since the start; `max_lines` limits the lines; 0 records nothing."""
        self._now = now
        self._max_lines = max_lines
        self._sessions: list[SessionTranscript] = []
        self._count = 0

    @property
    def is_enabled(self) -> bool:
        """Whether sessions are recorded."""
        return self._max_lines > 0

    @property
    def dialogues(self) -> tuple[SessionTranscript, ...]:
        """Recorded sessions, the oldest first."""
        return tuple(self._sessions)

    def __str__(self) -> str:
        forgotten = self._count - len(self._sessions)
        head = [f"({forgotten} earlier sessions were dropped)"] if forgotten else []
        return "\n".join([*head, *map(str, self._sessions)])

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transcript) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, text: str) -> bool:
        """Whether a line contains the text: `"550 5.1.1" in internet.transcript`."""
        return any(text in line.text for dialogue in self._sessions for line in dialogue.lines)

    def diff(self, other: Transcript) -> str:
        """Unified diff to another transcript; empty if they are equal."""
        return "\n".join(difflib.unified_diff(str(self).splitlines(), str(other).splitlines(), lineterm="", n=3))

    def tail(self, lines: int = 40) -> str:
        """Last lines of the transcript."""
        return "\n".join(str(self).splitlines()[-lines:])

    def of(self, name: str) -> tuple[SessionTranscript, ...]:
        """Sessions of this host or address."""
        return tuple(each for each in self._sessions if name in f"{each.client} {each.server}")

    def add_session(self, client: str, server: str, *, is_imap: bool = False) -> SessionTranscript:
        """Starts the transcript of a new connection."""
        self._count += 1
        dialogue = SessionTranscript(self._count, client, server, self._now, is_imap=is_imap)
        if self._max_lines:
            self._sessions.append(dialogue)
            if self._count % 100 == 0:
                self._evict()
        return dialogue

    def _evict(self) -> None:
        surplus = sum(len(each.lines) for each in self._sessions) - self._max_lines
        gone = 0
        while surplus > 0:
            surplus -= len(self._sessions[gone].lines)
            gone += 1
        del self._sessions[:gone]


class RecordingConnector:
    """Connector that records sessions with other hosts, and failed connections. Simulated servers record their own."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        host: Host,
        client_tls: ClientTls,
        name: str,
        transcript: Transcript,
        is_server: Callable[[HostPort], bool],
        name_of: Callable[[str], str],
    ) -> None:
        self._connector = TwistedConnector(host, client_tls=client_tls)
        self._host = host
        self._name = name
        self._transcript = transcript
        self._is_server = is_server
        self._name_of = name_of

    async def connect(
        self,
        address: HostPort,
        engine: Engine[EventT],
        *,
        timeout: float,
        tls: bool = False,
        server_name: str | None = None,
        verify: bool = False,
        dane: Dane | None = None,
        source: Source | None = None,
    ) -> Peer[EventT]:
        """Connects as TwistedConnector does. Raises ConnectFailed."""
        label = f"{self._name_of(address.host)} (port {address.port})"
        demands: dict[str, Any] = {"tls": tls, "server_name": server_name, "verify": verify, "dane": dane}
        demands["source"] = source
        try:
            if self._is_server(address):
                return await self._connector.connect(address, engine, timeout=timeout, **demands)
            dialogue = self._transcript.add_session(self._name, label)
            tapped = TappedEngine(engine, lambda octets: dialogue.feed("S", octets))
            peer = await self._connector.connect(address, tapped, timeout=timeout, **demands)
            return RecordingPeer(peer, dialogue, side="C")
        except ConnectFailed as error:
            if self._is_server(address):
                dialogue = self._transcript.add_session(self._name, label)
            dialogue.event(str(error))
            raise


_SHOWN_FACTS = ("recipient", "mailbox", "host", "reply", "why")
"""Facts in a line of text, unless a later fact contains the same words."""
MAX_HOPS = 100
"""Maximum number of letters in one journey (RFC 5321 §6.3)."""


class Stage(Struct, frozen=True):
    """Step of a journey."""

    at: float
    """Virtual seconds since the start of the simulation."""
    server: str
    step: str
    """Name of the step: "submitted", "routed", "attempted", "deferred", "relayed", "delivered", "bounced", "collected" …"""
    facts: Mapping[str, Any]
    """Details of the step: `recipient`, `reply`, `host`, `dialogue` …"""
    letter: LetterId
    """Id of the letter in that server."""

    def __str__(self) -> str:
        words = [str(self.facts[name]) for name in _SHOWN_FACTS if self.facts.get(name)]
        unique = [word for at, word in enumerate(words) if not any(word in other for other in words[at + 1 :])]
        return f"{elapsed_text(self.at)}  {self.server:<16}  {self.step:<9}  {', '.join(unique)}".rstrip()


class SimulatedJourney(Struct, frozen=True):
    """Journey of a letter: its steps in all servers, the oldest first."""

    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.stages))

    __repr__ = __str__

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    @property
    def steps(self) -> list[str]:
        """Names of the steps."""
        return [stage.step for stage in self.stages]

    @property
    def reports(self) -> tuple[LetterId, ...]:
        """Ids of the reports to the sender; each has a journey of its own."""
        reports = [LetterId(stage.facts["report"]) for stage in self.stages if stage.facts.get("report")]
        return tuple(dict.fromkeys(reports))

    def only(self, *steps: str) -> tuple[Stage, ...]:
        """Steps with these names: `journey.only("deferred")`."""
        return tuple(stage for stage in self.stages if stage.step in steps)


async def follow(letter: LetterId, stores: Iterable[Store], start: float) -> SimulatedJourney:
    """Follows a letter from its first server, by its id there, through all servers that it was relayed to."""
    stores = list(dict.fromkeys(stores))
    waiting, letters = deque([letter]), {letter}
    steps: list[Step] = []
    while waiting:
        following = waiting.popleft()
        for store in stores:
            here = await store.history.steps(following)
            steps += here
            # The remote id comes from a reply: it is only looked up, not trusted.
            for step in here:
                led = step.facts.get("remote_id")
                if led and led not in letters and len(letters) < MAX_HOPS:
                    letters.add(LetterId(str(led)))
                    waiting.append(LetterId(str(led)))
    steps.sort(key=lambda step: step.at)
    return SimulatedJourney(
        tuple(Stage(step.at - start, step.server, step.step, step.facts, step.letter) for step in steps)
    )
