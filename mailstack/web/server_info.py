"""What the pages know of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from mailstack.config import Config
from mailstack.letter import Address, AddressError
from mailstack.web.autoconfig.records import WEB_LABELS
from mailstack.web.autoconfig.services import Services
from mailstack.web.http_values import HttpError


class ShownServer(Struct, frozen=True):
    """The server as its pages show it. No account is ever looked at."""

    config: Config
    services: Services
    now: Callable[[], float]
    """Seconds since 1970."""
    accounts: tuple[tuple[str, str], ...] = ()
    """Addresses and passwords that everybody may see: those of a dev environment."""
    ca_file: Path | None = None
    """The CA that clients must be told to trust; None: they know it."""
    sign: Callable[[bytes], Awaitable[bytes]] | None = None
    """Signs a profile for Apple's devices with the server's key."""

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.config.domains)

    def address(self, text: str) -> Address:
        """An address of a domain of ours, whoever has it, or nobody. Raises Trouble, the same for every local part."""
        try:
            address = Address.parse(text.strip())
        except AddressError as error:
            raise HttpError(400, f"That is no address: {error}") from None
        if self.domain(address.ascii_domain) is None:
            raise HttpError(404, f"This server has the domains {', '.join(self.domains)} only.")
        return address

    def domain(self, name: str) -> str | None:
        """A domain of ours, or None."""
        wanted = name.lower().rstrip(".")
        return wanted if wanted in self.domains else None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which we are called."""
        prefixes = ("", *(f"{label}." for label in WEB_LABELS))
        of_domains = tuple(prefix + domain for domain in self.domains for prefix in prefixes)
        return (self.config.hostname, self.services.host, *of_domains, *self.config.web.hosts)
