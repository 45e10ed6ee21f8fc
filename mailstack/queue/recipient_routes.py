"""Routes of recipients: alias expansion, local mailboxes, other hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Recipient

LOCAL = "local"
"""Destination and agent of mailboxes here."""
RELAY = "relay"
"""Agent of all other destinations."""


class LocalAddresses(Protocol):
    """Local domains, mailboxes and aliases; `mailstack.accounts.directory` implements it on the store."""

    def is_local(self, domain: str) -> bool:
        """Whether the domain is local, in any case, in A-labels or U-labels."""

    async def mailbox(self, address: Address) -> str | None:
        """Key of the mailbox with exactly this address; None if there is none."""

    async def alias(self, address: Address) -> tuple[Address, ...] | None:
        """Targets of the alias with this address; None if there is none."""


class Route(Struct, frozen=True):
    """Final recipient and its destination."""

    recipient: Recipient
    destination: str
    """Destination: LOCAL, or the domain in lower case and A-labels."""
    mailbox: str | None = None
    """Key of the local mailbox; None if there is none, which the agent reports (5.1.1)."""


class Router:
    """Routes recipients by the current state of the directory."""

    def __init__(self, directory: LocalAddresses, *, max_hops: int = 10, max_targets: int = 1000) -> None:
        """`max_hops` limits a chain of aliases, `max_targets` the addresses that one recipient expands to."""
        self._directory = directory
        self._max_hops = max_hops
        self._max_targets = max_targets

    async def route(self, recipients: Sequence[Recipient]) -> tuple[Route, ...]:
        """Routes of all recipients of one letter; a final recipient gets one route, however many aliases name it.

        An alias without final recipients (only itself, or too long a chain) gives a LOCAL route without a mailbox.
        Raises what the directory raises.
        """
        if len(recipients) == 1:
            routes = await self._routes_of(recipients[0])
        else:
            routes = [route for recipient in recipients for route in await self._routes_of(recipient)]
        return tuple(_without_duplicates(routes)) if len(routes) > 1 else tuple(routes)

    async def _routes_of(self, recipient: Recipient) -> list[Route]:
        direct = await self._direct_route(recipient)
        if direct is not None:
            return [direct]
        found = await self._expand_alias(recipient)
        if len(found) > 1 and recipient.parameters:
            # RFC 3461 §5.2.7.3: the expansion is the only success that is reported.
            found = [replace(route, recipient=route.recipient.without_success()) for route in found]
        return found or [Route(recipient, LOCAL)]

    async def _direct_route(self, recipient: Recipient) -> Route | None:
        """Route without aliases; None for a local address without a mailbox."""
        domain = recipient.address.domain
        if domain and not self._directory.is_local(domain):
            return Route(recipient, _destination(recipient.address.ascii_domain))
        mailbox = await self._directory.mailbox(recipient.address)
        return None if mailbox is None else Route(recipient, LOCAL, mailbox)

    async def _expand_alias(self, recipient: Recipient) -> list[Route]:
        """Routes of the final recipients of an alias, breadth first.

        An address that was met before is skipped, because its targets are included already. This also ends loops.
        """
        original = recipient.original or recipient.address
        found: list[Route] = []
        visited = {recipient.address.key}
        level = [recipient]
        for _ in range(self._max_hops):
            targets: list[Recipient] = []
            for member in level:
                for address in await self._directory.alias(member.address) or ():
                    if address.key not in visited:
                        visited.add(address.key)
                        targets.append(Recipient(address, original, recipient.parameters))
            if len(visited) > self._max_targets:
                return []
            level = []
            for target in targets:
                route = await self._direct_route(target)
                if route is not None:
                    found.append(route)
                elif await self._directory.alias(target.address) is not None:
                    level.append(target)
                else:
                    found.append(Route(target, LOCAL))
            if not level:
                return found
        return found + [Route(member, LOCAL) for member in level]


def _destination(domain: str) -> str:
    # A domain named "local" gets the dot of the root, so that it differs from LOCAL.
    destination = domain.lower()
    return "local." if destination == LOCAL else destination


def _without_duplicates(routes: Sequence[Route]) -> list[Route]:
    """One route for each mailbox or remote address; a direct recipient is preferred to one from an alias."""
    chosen: dict[tuple[str, str], Route] = {}
    for route in sorted(routes, key=lambda route: route.recipient.original is not None):
        address = route.recipient.address
        name = (
            (LOCAL, route.mailbox or address.key)
            if route.destination == LOCAL
            else (address.local, address.ascii_domain.lower())
        )
        chosen.setdefault(name, route)
    unique = {id(route) for route in chosen.values()}
    return [route for route in routes if id(route) in unique]
