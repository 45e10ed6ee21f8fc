"""Which way each recipient of a letter goes: a mailbox here, the targets of an alias, or another host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Recipient

LOCAL = "local"
"""The destination, and the agent, of mailboxes here."""
RELAY = "relay"
"""The agent of every other destination."""


class Directory(Protocol):
    """Who lives here; `mailstack.accounts.directory` has the one that reads the store."""

    def is_local(self, domain: str) -> bool:
        """Whether mail for this domain ends here; neither case nor A-label against U-label matters."""

    async def mailbox(self, address: Address) -> str | None:
        """The key of the mailbox that this address names itself, or None."""

    async def alias(self, address: Address) -> tuple[Address, ...] | None:
        """What the alias of this address leads to, or None when there is no such alias."""


class Route(Struct, frozen=True):
    """One recipient, as delivered to, and its way."""

    recipient: Recipient
    destination: str
    """LOCAL, or the domain in lower case and A-labels."""
    mailbox: str | None = None
    """The mailbox here; None when there is none, which the agent then says (5.1.1)."""


class Router:
    """Routes recipients by what the directory says at that moment."""

    def __init__(self, directory: Directory, *, most_hops: int = 10, most_targets: int = 1000) -> None:
        """`most_hops` aliases may lead to one another; `most_targets` addresses may come of one recipient."""
        self._directory = directory
        self._most_hops = most_hops
        self._most_targets = most_targets

    async def route(self, recipients: Sequence[Recipient]) -> tuple[Route, ...]:
        """The ways of all recipients of one letter; nobody gets it twice, however many aliases lead to him.

        An alias that leads nowhere (only to itself, or too far) gives a LOCAL route without a mailbox. Raises what the
        directory raises.
        """
        if len(recipients) == 1:
            routes = await self._ways(recipients[0])
        else:
            routes = [way for recipient in recipients for way in await self._ways(recipient)]
        return tuple(_once(routes)) if len(routes) > 1 else tuple(routes)

    async def _ways(self, recipient: Recipient) -> list[Route]:
        direct = await self._direct(recipient)
        if direct is not None:
            return [direct]
        found = await self._expanded(recipient)
        if len(found) > 1 and recipient.parameters:
            # RFC 3461 §5.2.7.3: that it was expanded is all the success that is reported.
            found = [replace(route, recipient=route.recipient.without_success()) for route in found]
        return found or [Route(recipient, LOCAL)]

    async def _direct(self, recipient: Recipient) -> Route | None:
        """The way without any alias, or None for an address here that names no mailbox."""
        domain = recipient.address.domain
        if domain and not self._directory.is_local(domain):
            return Route(recipient, _destination(recipient.address.ascii_domain))
        mailbox = await self._directory.mailbox(recipient.address)
        return None if mailbox is None else Route(recipient, LOCAL, mailbox)

    async def _expanded(self, recipient: Recipient) -> list[Route]:
        """What an alias leads to, breadth first.

        An address that was met before adds nothing: its targets are on the list already. So a loop ends there, and
        harms only when it is all that there is.
        """
        original = recipient.original or recipient.address
        found: list[Route] = []
        met = {recipient.address.key}
        level = [recipient]
        for _ in range(self._most_hops):
            targets: list[Recipient] = []
            for member in level:
                for address in await self._directory.alias(member.address) or ():
                    if address.key not in met:
                        met.add(address.key)
                        targets.append(Recipient(address, original, recipient.parameters))
            if len(met) > self._most_targets:
                return []
            level = []
            for target in targets:
                way = await self._direct(target)
                if way is not None:
                    found.append(way)
                elif await self._directory.alias(target.address) is not None:
                    level.append(target)
                else:
                    found.append(Route(target, LOCAL))
            if not level:
                return found
        return found + [Route(member, LOCAL) for member in level]


def _destination(domain: str) -> str:
    # A domain that is named like our own agent keeps the dot of the root, so that the two can't be mixed up.
    destination = domain.lower()
    return "local." if destination == LOCAL else destination


def _once(routes: Sequence[Route]) -> list[Route]:
    """One route for each mailbox here or address elsewhere; one that the sender wrote himself goes before an alias."""
    kept: dict[tuple[str, str], Route] = {}
    for route in sorted(routes, key=lambda route: route.recipient.original is not None):
        address = route.recipient.address
        name = (
            (LOCAL, route.mailbox or address.key)
            if route.destination == LOCAL
            else (address.local, address.ascii_domain.lower())
        )
        kept.setdefault(name, route)
    chosen = {id(route) for route in kept.values()}
    return [route for route in routes if id(route) in chosen]
