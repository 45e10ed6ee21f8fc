"""Resolvers of twisted.names, with errors as results and DNSSEC's AD bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.names import client


class Resolver(client.Resolver):
    """Resolver that queries name servers."""

    def queryUDP(self, queries: Sequence[Any], timeout: Sequence[int] | None = None) -> Deferred[Any]:  # noqa: N802 (Twisted's name)
        """Fails where Twisted raises for want of a port, after which the same query would be pending for ever."""
        try:
            asked: Deferred[Any] = super().queryUDP(queries, timeout)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - after any error there is no answer
            return fail()
        return asked


class ValidatedResolver(Resolver):
    """Resolver for trusted name servers that validate DNSSEC; queries have the AD bit (RFC 6840 §5.7)."""

    def filterAnswers(self, message: Any) -> Any:  # noqa: N802
        if message.authenticData and not message.trunc:
            authenticated(message.answers)
        return super().filterAnswers(message)  # type: ignore[no-untyped-call]

    def connectionMade(self, protocol: Any) -> None:  # noqa: N802
        _ask_for_ad(protocol)
        super().connectionMade(protocol)  # type: ignore[no-untyped-call]

    def _connectedProtocol(self, interface: str = "") -> Any:  # noqa: N802
        protocol = super()._connectedProtocol(interface)  # type: ignore[no-untyped-call]
        _ask_for_ad(protocol)
        return protocol


def _ask_for_ad(protocol: Any) -> None:
    """Makes a protocol of twisted.names set the AD bit in every query."""
    write = protocol.writeMessage

    def write_with_ad(message: Any, *address: Any) -> None:
        message.authenticData = 1
        write(message, *address)

    protocol.writeMessage = write_with_ad


def authenticated(answers: Sequence[Any]) -> list[Any]:
    """Marks the records of an answer that had the AD bit (RFC 4035 §3.2.3), and returns them."""
    for record in answers:
        record.authenticated = True
    return list(answers)


def is_authenticated(record: Any) -> bool:
    """Whether `authenticated` has marked the record."""
    return getattr(record, "authenticated", False)
