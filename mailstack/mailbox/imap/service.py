"""IMAP service: limits and shared parts of all sessions of a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from mailstack.letter.delivery import Journal
from mailstack.mailbox.imap.mailbox_views import MailboxViews
from mailstack.mailbox.imap.quota import AccountQuota
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import Authenticator, Sessions
from mailstack.store import ContentStore, FolderStore, HistoryStore, MailboxStore
from mailstack.store.folders import Folder

DEFAULT_FOLDERS = tuple(
    Folder(use, use=f"\\{use}", is_subscribed=True) for use in ("Drafts", "Sent", "Junk", "Trash", "Archive")
)
"""Folders that an account has after its first login (RFC 6154 §2)."""


class ImapLimits(Struct, frozen=True):
    """Limits of one connection; every value is a setting."""

    login_timeout: float = 60.0
    """Maximum seconds without a whole command before login."""
    idle_timeout: float = 1800.0
    """Maximum seconds without a whole command, and of one IDLE (RFC 3501 §5.4: at least 30 minutes)."""
    write_timeout: float = 120.0
    """Maximum seconds for a client to accept output."""
    failure_delay: float = 2.0
    """Seconds before a wrong password is answered."""
    auth_failures: int = 3
    """Maximum wrong passwords before the connection is closed."""
    errors: int = 20
    """Maximum BAD responses in a row before the connection is closed."""
    message_size: int = 52_428_800
    """Maximum octets of an appended message."""
    append_messages: int = 1000
    """Maximum messages of one APPEND (RFC 3502)."""
    still_here: float = 120.0
    """Seconds between two responses to a client in IDLE without news, for NATs."""
    folders: int = 10_000
    """Maximum folders and subscribed names of an account."""
    search_time: float = 60.0
    """Maximum seconds of one SEARCH, SORT or THREAD."""
    search_contexts: int = 8
    """Maximum searches of a session with UPDATE (RFC 5267)."""
    notify_folders: int = 1000
    """Maximum folders that NOTIFY reports messages of (RFC 5465)."""
    journey_messages: int = 0
    """Maximum messages of one command that get the steps read, moved and expunged; 0: none get them."""
    compression: bool = False
    """Whether COMPRESS=DEFLATE is offered; a session that uses it takes 100 KB more (RFC 4978)."""


class ImapService(Struct):
    """What the sessions of a process share."""

    hostname: str
    authenticator: Authenticator
    mailboxes: MailboxStore
    folders: FolderStore
    contents: ContentStore
    history: HistoryStore
    views: MailboxViews
    clock: Clock
    pause: Callable[[float], Awaitable[object]]
    """Coroutine that returns after a number of seconds; 0 lets other sessions run."""
    journal: Journal
    quota: AccountQuota
    limits: ImapLimits = ImapLimits()
    sessions: Sessions | None = None
    """Registry of logins; None: no login becomes invalid."""
    require_tls: bool = True
    """Whether passwords are refused in the clear (RFC 8314 §4)."""
    default_folders: tuple[Folder, ...] = DEFAULT_FOLDERS
    sessions_per_account: int = 50
    """Maximum sessions of an account in this process."""
    version: str = ""
    """Version in the response to ID; "" leaves it out."""
    open_sessions: Counter[str] = field(default_factory=Counter)
    """Number of open sessions by account."""
