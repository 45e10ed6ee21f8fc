"""Recording connector: outbound sessions for the transcript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailstack.letter.connection import HostPort
from mailstack.net.client_tls import ClientTls
from mailstack.net.connector import TwistedConnector
from mailstack.protocols.connection import ConnectFailed, Dane, Engine, EventT, Peer, Source
from mailstack.protocols.peer_wrapper import TappedEngine
from mailstack.sandbox.recording.dialogue import RecordingPeer
from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.transcript import Transcript


class OverheardCaller:
    """A wire.Caller. What servers say is told by themselves; calls to others, and those in vain, are told here."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        host: Host,
        client_tls: ClientTls,
        name: str,
        transcript: Transcript,
        is_server: Callable[[HostPort], bool],
        name_of: Callable[[str], str],
    ) -> None:
        self._caller = TwistedConnector(host, client_tls=client_tls)
        self._host = host
        self._name = name
        self._transcript = transcript
        self._is_server = is_server
        self._name_of = name_of

    async def call(
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
        """As TwistedConnector does."""
        where = f"{self._name_of(address.host)} (port {address.port})"
        demands: dict[str, Any] = {"tls": tls, "server_name": server_name, "verify": verify, "dane": dane}
        demands["source"] = source
        try:
            if self._is_server(address):
                return await self._caller.call(address, engine, timeout=timeout, **demands)
            dialogue = self._transcript.begin(self._name, where)
            listening = TappedEngine(engine, lambda octets: dialogue.hear("S", octets))
            peer = await self._caller.call(address, listening, timeout=timeout, **demands)
            return RecordingPeer(peer, dialogue, we="C")
        except ConnectFailed as why:
            if self._is_server(address):
                dialogue = self._transcript.begin(self._name, where)
            dialogue.note(str(why))
            raise
