"""Relay permission by account and network (RFC 5321 §3.6.2, §7.9)."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter.connection import HostPort
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.networks import networks_of, within
from mailstack.protocols.smtp.replies import reply

DENIED = reply(550, "5.7.1", "relaying denied: log in, or send to one of our own domains")


class Relaying:
    """Permits logged-in accounts and the networks of `[relay].from`."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """`networks` in CIDR notation. Raises ValueError for one that is not."""
        self._networks = networks_of(networks)

    def trusts(self, remote: HostPort) -> bool:
        """Whether a host is in one of the networks."""
        return within(remote.host, self._networks)

    def may_relay(self, remote: HostPort, account: str | None) -> Verdict:
        """Judge a client; `account` is the one that is logged in on this connection, if any."""
        if account is not None or self.trusts(remote):
            return PASS
        return Refuse(DENIED, f"{remote.host} is in no network that may relay")
