"""What the API stands on: one office, and what is around it."""

from __future__ import annotations

from msgspec import Struct

from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.mailbox.index.catalogue import Catalogue
from mailstack.mailbox.index.indexer import InThread
from mailstack.policy.counters import Commons
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.receiving_rules import Station
from mailstack.server.runtime import Surroundings
from mailstack.web.api.stream_limits import Places


class Backstage(Struct, frozen=True):
    """Of one office."""

    config: Config
    around: Surroundings
    clock: Clock
    in_thread: InThread
    places: Places
    """For streams, and waits for letters."""
    submission: Station
    """Takes what users write here."""
    commons: Commons
    """What all processes of the office count together."""
    sessions: SessionRegistry
    """Requests that go on, each ended when its login does not hold any longer."""

    @property
    def catalogue(self) -> Catalogue | None:
        """None: no letters are kept for people."""
        return self.around.catalogue
