"""Faulty connector: outbound connections fail by rule."""

from __future__ import annotations

from typing import Any

from mailstack.letter.connection import HostPort
from mailstack.net.clock import ReactorClock
from mailstack.protocols.connection import ConnectFailed, Connector, Engine, EventT, Peer
from mailstack.sandbox.faults.faults import FaultContext, Faults


class FaultyCaller:
    """A wire.Caller that is another one's."""

    def __init__(self, caller: Connector, faults: Faults, server: str, clock: ReactorClock) -> None:
        self._caller = caller
        self._faults = faults
        self._server = server
        self._clock = clock

    async def call(self, address: HostPort, engine: Engine[EventT], *, timeout: float, **demands: Any) -> Peer[EventT]:
        """As the other one does. Raises Unreachable."""
        rule = None
        if self._faults.any:
            rule = self._faults.choose(FaultContext("call", self._server, client=address.host))
        if rule is not None:
            if rule.delay:
                await self._clock.pause(min(rule.pause, timeout))
            if rule.silence or rule.pause >= timeout:
                await self._clock.pause(timeout - min(rule.pause, timeout))
                raise ConnectFailed(f"no answer within {timeout:.4g} s")
            if rule.drop:
                raise ConnectFailed("connection refused")
        return await self._caller.call(address, engine, timeout=timeout, **demands)
