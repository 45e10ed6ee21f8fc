"""Letter index of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.threads import deferToThreadPool

from mailstack.accounts.directory import Directory
from mailstack.config import Config
from mailstack.net.clock import ReactorClock
from mailstack.store.sql_store import SqlStore

if TYPE_CHECKING:
    from mailstack.mailbox.index.letter_index import LetterIndex
    from mailstack.mailbox.index.shared_feed import WorkerSync


def make_index(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config, reactor: Any, clock: ReactorClock, store: SqlStore, directory: Directory, sharing: WorkerSync | None
) -> LetterIndex | None:
    """Index in a file of the data directory. None: the configuration wants none."""
    settings = config.index
    if not settings.enabled:
        return None
    # Only a server with an index loads it.
    from mailstack.mailbox.index.database import FileDatabase  # noqa: PLC0415
    from mailstack.mailbox.index.letter_index import LetterIndex  # noqa: PLC0415
    from mailstack.mailbox.index.removal import Retention  # noqa: PLC0415

    return LetterIndex(
        store,
        FileDatabase(reactor, config.data, location=store.location),
        clock,
        lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work),
        directory.mailbox,
        Retention(settings.max_letters or None, settings.max_age or None, settings.undo),
        sharing,
    )
