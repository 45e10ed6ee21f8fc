"""API context: parts of a server for its pages and API."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.letter.step import Journal
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.store import Store
from mailstack.web.admin_hooks import WebOptions
from mailstack.web.api.events import StreamLimits


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
