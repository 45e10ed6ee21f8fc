"""Back-off after failed calls of a host."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime

from msgspec import Struct

from mailstack.letter.envelope import HostPort, is_unix_socket
from mailstack.protocols.connection import Clock
from mailstack.store.delay_reasons import DelayReason


class DownLimits(Struct, frozen=True):
    """Limits of the back-off."""

    first: float = 15.0
    """Seconds without calls after a failed one; the time doubles with each further failure."""
    longest: float = 600.0
    """Maximum number of seconds without calls."""
    probe: float = 900.0
    """Seconds after which a probe without a result no longer prevents other calls."""
    remembered: int = 1000
    """Maximum number of hosts; beyond it the oldest is removed."""


_LIMITS = DownLimits()


class _Host(Struct):
    name: str
    reason: str
    failed: float
    """Time of the last failed call, by `Clock.steady`."""
    wait: float
    probed: float | None = None
    """Start of the call that finds out whether the host is back, by `Clock.steady`."""


class HostBackoff:
    """Back-off of hosts that did not respond.

    The states of one host, and the answer of `blocked_reason`:

        state     call it?                    leaves by
        --------  --------------------------  ----------------------------------------------------------
        unknown   yes, any number             `failed`: down
        down      no                          its time is over: due; `reached`: unknown
        due       yes, the first one          the first call: probed
        probed    no                          `reached`: unknown; `failed`: down, for twice the time
    """

    def __init__(self, clock: Clock, limits: DownLimits = _LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._hosts: OrderedDict[HostPort, _Host] = OrderedDict()

    def blocked_reason(self, address: HostPort, *, retry_requested: bool = False) -> str | None:
        """Reason not to call the host now, for people. None: call it, then report `reached` or `failed`.

        `retry_requested` limits the back-off to its first time, because the operator may have repaired the host.
        """
        host = self._hosts.get(address)
        if host is None:
            return None
        now = self._clock.steady()
        until = host.failed + (min(host.wait, self._limits.first) if retry_requested else host.wait)
        if now < until:
            return f"{host.reason}; backed off until {_time_of(self._clock.now() + until - now)}"
        if host.probed is not None and now < host.probed + self._limits.probe:
            return f"{host.reason}; another letter is finding out whether it is back"
        host.probed = now
        return None

    def is_known(self, address: HostPort) -> bool:
        """Whether the host is in another state than unknown."""
        return address in self._hosts

    def reached(self, address: HostPort) -> None:
        """Removes a host that responded."""
        self._hosts.pop(address, None)

    def probe_interrupted(self, address: HostPort) -> None:
        """Ends a probe that was interrupted: the next call is the probe."""
        if (known := self._hosts.get(address)) is not None:
            known.probed = None

    def failed(self, address: HostPort, reason: str, name: str = "") -> None:
        """Notes a failed call. Calls that were concurrent count once. `name` is the host's name in delay reasons."""
        now = self._clock.steady()
        known = self._hosts.get(address)
        if known is not None and known.probed is None and now < known.failed + known.wait:
            return
        wait = self._limits.first if known is None else min(known.wait * 2, self._limits.longest)
        self._hosts[address] = _Host(name or address.host, reason, now, wait)
        if len(self._hosts) > self._limits.remembered:
            self._hosts.popitem(last=False)

    def delay_reasons(self, limit: int) -> list[DelayReason]:
        """Delay reasons of the hosts that are down, the latest failure first."""
        reasons: list[DelayReason] = []
        now = self._clock.steady()
        for address, host in reversed(self._hosts.items()):
            left = host.failed + host.wait - now
            if len(reasons) < limit and left > 0:
                facts = {"host": host.name, "address": address.host, "port": address.port}
                name = host.name if is_unix_socket(address.host) else f"{host.name} [{address.host}]:{address.port}"
                reasons.append(DelayReason("down", name, host.reason, float(round(self._clock.now() + left)), facts))
        return reasons


def _time_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
