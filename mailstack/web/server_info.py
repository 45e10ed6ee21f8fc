"""Public facts about the server for its web pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from mailstack.config import Config
from mailstack.letter import Address, AddressError
from mailstack.web.autoconfig.records import WEB_LABELS
from mailstack.web.autoconfig.services import ClientServices
from mailstack.web.http_messages import HttpError


class PublicServerInfo(Struct, frozen=True):
    """Facts about the server for its pages, without account data."""

    config: Config
    services: ClientServices
    now: Callable[[], float]
    """Clock, in seconds since 1970."""
    accounts: tuple[tuple[str, str], ...] = ()
    """Addresses and passwords of a dev environment, which are public."""
    ca_file: Path | None = None
    """Certificate of a private CA that clients have to trust; None: a public CA."""
    sign: Callable[[bytes], Awaitable[bytes]] | None = None
    """Signs a configuration profile for Apple devices."""

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.config.domains)

    def address(self, text: str) -> Address:
        """Parse an address of a local domain. Raises HttpError, independent of the local part."""
        try:
            address = Address.parse(text.strip())
        except AddressError as error:
            raise HttpError(400, f"Invalid address: {error}") from None
        if self.domain(address.ascii_domain) is None:
            raise HttpError(404, f"Not a domain of this server; its domains are {', '.join(self.domains)}.")
        return address

    def domain(self, name: str) -> str | None:
        """Return the local domain of this name, or None."""
        wanted = name.lower().rstrip(".")
        return wanted if wanted in self.domains else None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names of the web service."""
        prefixes = ("", *(f"{label}." for label in WEB_LABELS))
        of_domains = tuple(prefix + domain for domain in self.domains for prefix in prefixes)
        return (self.config.hostname, self.services.host, *of_domains, *self.config.web.hosts)
