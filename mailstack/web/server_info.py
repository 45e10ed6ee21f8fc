"""Server facts for pages, and server parts for the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.letter import Address, AddressError
from mailstack.letter.delivery import Journal
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.store import Store
from mailstack.web.admin_hooks import WebOptions
from mailstack.web.api.events import StreamLimits
from mailstack.web.autoconfig.guide import ClientServices
from mailstack.web.autoconfig.records import WEB_LABELS
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


class Requests(Struct, frozen=True):
    """Threads, timers and limits of long requests."""

    reactor: Any
    """Real time, for timeouts."""
    in_thread: InThread
    stream_limits: StreamLimits
    """Limits of streams, and of waits for letters."""
    sessions: SessionRegistry
    """Open requests, which end with their login."""


class ApiContext(Struct, frozen=True):
    """Parts of one server."""

    config: Config
    clock: Clock
    store: Store
    access: UserAccess
    journal: Journal
    index: LetterIndex | None
    """Index of letters. None: no inbox."""
    submission: ReceivingRules
    """Rules for letters that users send from the pages."""
    requests: Requests
    options: WebOptions
