"""Dependencies of the compat APIs: letters, accounts, and facts of one dev environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct

from mailstack.accounts.dev_logins import LoginNames
from mailstack.config import SubmissionSettings
from mailstack.letter.envelope import HostPort
from mailstack.mailbox.index.feed import FeedCounters
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.connection import Clock
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.faults import Faults
from mailstack.store import Store
from mailstack.web.api.events import StreamLimits
from mailstack.web.checks.links import HeadRequest
from mailstack.web.checks.spam import SpamCheck
from mailstack.web.compose import ComposeLimits
from mailstack.web.letter_reader import LetterReader
from mailstack.web.site import RequestAuthenticator
from mailstack.web.submission import LetterRelease, WebSubmission


class CompatContext(Struct, frozen=True):
    """Letters of one environment, with their submission and release."""

    index: LetterIndex
    clock: Clock
    in_thread: InThread
    capture: WebSubmission
    """Intake of letters that are sent by an API."""
    outward: WebSubmission
    """Intake of letters that are released within this machine."""
    letter_release: LetterRelease | None
    """Relay for released letters, in place of `outward`; None: they stay on this machine."""
    faults: Faults
    head: HeadRequest
    """HTTP status of a URL, for the check of links."""
    stream_limits: StreamLimits
    """Limit of open streams, shared with the server's own API."""
    counters: FeedCounters
    """Counts since the start."""
    senders: RequestAuthenticator | None = None
    """Authenticator of Mailpit's `send`. None: the pages' authenticator."""
    check_spam: SpamCheck | None = None
    """Spam filter; None: there is none."""
    limits: ComposeLimits = ComposeLimits(SubmissionSettings().max_size, SubmissionSettings().max_recipients)
    """Limits of a letter that is written or released by an API."""
    relay: ExternalRelay | None = None
    """Server that `letter_release` relays to."""
    data: Path | None = None
    """Directory of the environment."""

    @property
    def reader(self) -> LetterReader:
        """Reader of letters."""
        return LetterReader(self.index, self.in_thread)


class CompatAccounts(Struct, frozen=True):
    """Accounts and services of one environment, as GreenMail's API needs them."""

    store: Store
    add: Callable[[str, str], Awaitable[None]]
    """Adds an account with its password. Raises Conflict, AddressError, ValueError."""
    remove: Callable[[str], Awaitable[None]]
    """Removes the account of a key."""
    reset: Callable[[], Awaitable[None]]
    """Restores the initial accounts, and removes all others."""
    services: Callable[[], Mapping[str, HostPort]]
    domain: str
    """Domain of logins without one."""
    names: LoginNames
    """Logins that are no addresses."""
    any_password: bool = False
    preload: Path | None = None
    """Directory of the initial letters."""
