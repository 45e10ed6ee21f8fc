"""How many connections we hold at once, in all and for one client (RFC 5321 §7.8)."""

from __future__ import annotations

from mailstack.policy import PASS, Defer, Verdict
from mailstack.policy.networks import client_of
from mailstack.smtp.replies import reply
from mailstack.wire import HostPort

TOO_MANY = reply(421, "4.3.2", "too many connections, try again later", closes=True)


class ConnectionLimits:
    """Counts connections from `admit` to `release`. One IPv6 site counts as one client."""

    def __init__(self, total: int = 10000, per_address: int = 1000) -> None:
        self._total = total
        self._per_address = per_address
        self._open = 0
        self._by_client: dict[str, int] = {}

    @property
    def open(self) -> int:
        """Connections admitted and not released."""
        return self._open

    def admit(self, remote: HostPort) -> Verdict:
        """A Pass counts the connection, and `release` must follow; after a Defer it must not."""
        client = client_of(remote.host)
        count = self._by_client.get(client, 0)
        if self._open >= self._total:
            return Defer(TOO_MANY, f"{self._open} connections are open in all")
        if count >= self._per_address:
            return Defer(TOO_MANY, f"{client} has {count} connections open")
        self._open += 1
        self._by_client[client] = count + 1
        return PASS

    def release(self, remote: HostPort) -> None:
        """An admitted connection has ended."""
        client = client_of(remote.host)
        count = self._by_client[client] - 1
        self._open -= 1
        if count:
            self._by_client[client] = count
        else:
            del self._by_client[client]
