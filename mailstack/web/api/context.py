"""What the API stands on: one office, and what is around it."""

from __future__ import annotations

from msgspec import Struct

from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.policy.counters import SharedCounters
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.server.runtime import Surroundings
from mailstack.web.api.stream_limits import StreamLimits


class ApiContext(Struct, frozen=True):
    """Of one office."""

    config: Config
    around: Surroundings
    clock: Clock
    in_thread: InThread
    places: StreamLimits
    """For streams, and waits for letters."""
    submission: ReceivingRules
    """Takes what users write here."""
    commons: SharedCounters
    """What all processes of the office count together."""
    sessions: SessionRegistry
    """Requests that go on, each ended when its login does not hold any longer."""

    @property
    def index(self) -> LetterIndex | None:
        """None: no letters are kept for people."""
        return self.around.index
