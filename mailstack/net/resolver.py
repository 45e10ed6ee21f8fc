"""The resolvers of twisted.names as we use them: whatever goes wrong is an answer, and DNSSEC is believed where it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.names import client


class Resolver(client.Resolver):
    """Asks name servers."""

    def queryUDP(self, queries: Sequence[Any], timeout: Sequence[int] | None = None) -> Deferred[Any]:  # noqa: N802 (Twisted's name)
        """As Twisted's, which raises where no port is to be had: it would think for ever that the question is under way."""
        try:
            asked: Deferred[Any] = super().queryUDP(queries, timeout)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - whatever it is, there is no answer this time
            return fail()
        return asked


class ValidatedResolver(Resolver):
    """Asks name servers that validate, and are trusted, to say so: the AD bit in the query (RFC 6840 §5.7)."""

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
    """Have a protocol of twisted.names, which knows no such option, set the bit in every query."""
    write = protocol.writeMessage

    def write_with_ad(message: Any, *address: Any) -> None:
        message.authenticData = 1
        write(message, *address)

    protocol.writeMessage = write_with_ad


def authenticated(answers: Sequence[Any]) -> list[Any]:
    """The same records, marked as those of an answer that had the AD bit (RFC 4035 §3.2.3)."""
    for record in answers:
        record.authenticated = True
    return list(answers)


def is_authenticated(record: Any) -> bool:
    """Whether `authenticated` has marked it."""
    return getattr(record, "authenticated", False)
