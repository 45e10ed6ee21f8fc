"""Hosts that are down: each is left alone for a growing time, and then one call finds out whether it is back."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime

from msgspec import Struct

from mailstack.letter.connection import HostPort, is_unix_socket
from mailstack.protocols.connection import Clock
from mailstack.store.delay_reasons import DelayReason


class DownLimits(Struct, frozen=True):
    """Times are in seconds."""

    first: float = 15.0
    """How long a host is left alone after a call that failed; doubles with each that fails again."""
    longest: float = 600.0
    """No time is longer."""
    probe: float = 900.0
    """After this long a call of which nothing was heard doesn't keep others from calling."""
    remembered: int = 1000
    """Hosts; beyond that the one that was first down is forgotten."""


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
    """Remembers hosts that did not answer a call.

    The states of one host, and what `why_not` says to who wants to call it:

        state     call it?                    leaves by
        --------  --------------------------  ----------------------------------------------------------
        unknown   yes, and so may others      `failed`: down
        down      no                          its time is over: due; `reached`: unknown
        due       yes, the first who asks     somebody asks: probed
        probed    no                          `reached`: unknown; `failed`: down, for twice the time
    """

    def __init__(self, clock: Clock, limits: DownLimits = _LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._hosts: OrderedDict[HostPort, _Host] = OrderedDict()

    def why_not(self, address: HostPort, *, hurried: bool = False) -> str | None:
        """Why it must not be called now, for people. None: call it, and tell `reached` or `failed` how that went.

        For who is `hurried`, because somebody may have mended it, its time is never longer than the first.
        """
        host = self._hosts.get(address)
        if host is None:
            return None
        now = self._clock.steady()
        until = host.failed + (min(host.wait, self._limits.first) if hurried else host.wait)
        if now < until:
            return f"{host.reason}; left alone until {_time_of(self._clock.now() + until - now)}"
        if host.probed is not None and now < host.probed + self._limits.probe:
            return f"{host.reason}; another letter is finding out whether it is back"
        host.probed = now
        return None

    def knows(self, address: HostPort) -> bool:
        """Whether it is in any state but unknown."""
        return address in self._hosts

    def reached(self, address: HostPort) -> None:
        """It answered."""
        self._hosts.pop(address, None)

    def broke_off(self, address: HostPort) -> None:
        """A call was broken off by us: whoever asks next may find out whether it is back."""
        if (known := self._hosts.get(address)) is not None:
            known.probed = None

    def failed(self, address: HostPort, reason: str, name: str = "") -> None:
        """It did not. Calls that were under way together count once. `name` is what the host is told of by."""
        now = self._clock.steady()
        known = self._hosts.get(address)
        if known is not None and known.probed is None and now < known.failed + known.wait:
            return
        wait = self._limits.first if known is None else min(known.wait * 2, self._limits.longest)
        self._hosts[address] = _Host(name or address.host, reason, now, wait)
        if len(self._hosts) > self._limits.remembered:
            self._hosts.popitem(last=False)

    def conditions(self, most: int) -> list[DelayReason]:
        """The hosts that are left alone now, those that failed last first."""
        found: list[DelayReason] = []
        now = self._clock.steady()
        for address, host in reversed(self._hosts.items()):
            left = host.failed + host.wait - now
            if len(found) < most and left > 0:
                facts = {"host": host.name, "address": address.host, "port": address.port}
                name = host.name if is_unix_socket(address.host) else f"{host.name} [{address.host}]:{address.port}"
                found.append(DelayReason("down", name, host.reason, float(round(self._clock.now() + left)), facts))
        return found


def _time_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
