"""TLS of a peer: STARTTLS, implicit TLS and channel binding."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer

from mailstack.letter.connection import TlsInfo
from mailstack.net.client_tls import ClientTls
from mailstack.net.peer_state import UNKNOWN_TLS, PeerState
from mailstack.net.tls_info import channel_binding, tls_facts
from mailstack.net.tls_layer import start_tls
from mailstack.protocols.connection import Dane, Disconnected, EventT


@implementer(IHandshakeListener)
class TlsPeer(PeerState[EventT]):
    """Connection that can be under TLS."""

    __slots__ = ()

    def handshakeCompleted(self) -> None:  # noqa: N802
        shaking = self._client_handshake
        transport: Any = self.transport
        if shaking is not None and not shaking.satisfied(transport.getHandle()):
            self._closing = True  # octets received from now on are ignored
            transport.abortConnection()
            return
        verified = shaking is not None and shaking.verifies
        self._tls_info = tls_facts(self.transport, verified=verified)
        self._settle_handshake(done=True)

    @property
    def tls(self) -> TlsInfo | None:
        return self._tls_info if self._encrypted else None

    @property
    def tls_failure(self) -> str:
        return self._tls_failure

    @property
    def tls_fault(self) -> str:
        return self._tls_fault

    @property
    def can_start_tls(self) -> bool:
        return self._tls.context is not None and not self._encrypted

    def channel_binding(self, kind: str) -> bytes | None:
        if self._tls_info is UNKNOWN_TLS or isinstance(self._ending, Disconnected):
            return None
        return channel_binding(self.transport, kind)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        if isinstance(self._ending, Disconnected):
            return False  # the client did not wait for the reply
        self._flush()
        transport = self._transport()
        self.engine.tls_started()
        self._encrypted = True
        tls = self._tls
        if tls.context is not None:
            start_tls(transport, tls.context, client=False, handshake_timeout=tls.handshake_timeout)
            return True
        client_tls = tls.client_tls or ClientTls()
        self._client_handshake = client_tls.handshake(server_name, verify=verify, dane=dane)
        start_tls(transport, self._client_handshake, client=True)
        return await self.handshake()

    async def handshake(self) -> bool:
        """Wait until the handshake is complete (True) or the connection is lost (False)."""
        if self._ending is not None:
            return False
        self._handshake_done = Deferred()
        return await self._handshake_done

    def _settle_handshake(self, *, done: bool) -> None:
        if self._handshake_done is not None:
            handshake, self._handshake_done = self._handshake_done, None
            handshake.callback(done)
