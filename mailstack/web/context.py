"""Context of a site: options of its program, parts of its server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from mailstack.accounts.authenticator import UserAccess
    from mailstack.accounts.passwords import StoredPassword
    from mailstack.accounts.session_registry import SessionRegistry
    from mailstack.config import Config
    from mailstack.letter import LetterId
    from mailstack.letter.delivery import Journal
    from mailstack.mailbox.index.indexer import InThread
    from mailstack.mailbox.index.letter_index import LetterIndex
    from mailstack.protocols.connection import Clock
    from mailstack.protocols.smtp.receiving_rules import ReceivingRules
    from mailstack.store import Store
    from mailstack.web.api.events import StreamLimits
    from mailstack.web.checks.spam import SpamCheck
    from mailstack.web.http_messages import HttpRoute


class AdminHooks(Struct, frozen=True):
    """Actions of administrators beyond the store. None: not possible on this server."""

    hash_password: Callable[[str], Awaitable[StoredPassword]] | None = None
    """Hashes a password. Raises ValueError for an unacceptable one."""
    check_password: Callable[[str, str], None] = lambda _password, _address: None
    """Checks that a new password of an address is hard to guess. Raises ValueError."""
    invalidate_directory: Callable[[], None] = lambda: None
    """Invalidates the cache of accounts and aliases."""
    head: Callable[[str], Awaitable[Any]] | None = None
    """Sends HEAD to a link of a letter (mailstack.web.checks.links.HeadRequest)."""
    check_spam: SpamCheck | None = None
    """Checks a letter with a spam filter."""
    release: Callable[[str, Sequence[str], bytes, LetterId], Awaitable[str]] | None = None
    """Sends a letter to an external relay, and returns its id there. Raises Refusal, and ValueError for addresses that
    the relay does not accept. None: the server's own queue sends it."""


class SiteExtension(Struct, frozen=True):
    """Routes that a program adds to the site of its server."""

    api: tuple[HttpRoute, ...] = ()
    """Routes that the description of the API lists."""
    pages: tuple[HttpRoute, ...] = ()
    """All other routes."""


class ExtensionLoader(Protocol):
    async def __call__(self, streams: StreamLimits, /) -> SiteExtension:
        """Routes; `streams` limits their long-running requests."""


class WebOptions(Struct, frozen=True):
    """Options of a server's site."""

    admin: AdminHooks = AdminHooks()
    session_secret: bytes = b""
    """Key that signs browser sessions. Empty: a random key for each start."""
    in_thread: InThread | None = None
    """Thread pool for pages and API. None: the reactor's."""
    extend: ExtensionLoader | None = None
    """Additional routes, loaded with the first request."""
    no_login: bool = False
    """Whether each client is an administrator without a login: for sites that only this machine reaches."""
    any_host: bool = False
    """Whether requests for any Host name are served, also of other sites: for sites that are open on purpose."""
    host_advice: str = "add it to [web] hosts"
    """Advice in the error for an unknown Host name."""
    shown_accounts: tuple[tuple[str, str], ...] = ()
    """Public addresses and passwords of a dev environment."""


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
