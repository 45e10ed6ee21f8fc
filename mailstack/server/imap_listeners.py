"""IMAP listeners of a server, and the shared parts of their sessions."""

from __future__ import annotations

import math
from collections.abc import Coroutine
from typing import Any

from mailstack import __version__
from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config.imap_settings import ImapSettings
from mailstack.letter.delivery import Journal
from mailstack.mailbox.imap.mailbox_views import MailboxViews
from mailstack.mailbox.imap.quota import AccountQuota
from mailstack.mailbox.imap.service import ImapLimits, ImapService
from mailstack.mailbox.imap.session import serve as read_folders
from mailstack.net.listening import ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import ImapEvent
from mailstack.protocols.imap.input_limits import InputLimits
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.protocols.smtp.replies import Reply
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.runtime import Storage
from mailstack.store.folders import Folder


class ImapListeners:
    """Makes the listeners of one server."""

    def __init__(
        self, kit: ListenerKit, storage: Storage, access: UserAccess, journal: Journal, sessions: SessionRegistry
    ) -> None:
        self._kit = kit
        self._storage = storage
        self._access = access
        self._journal = journal
        self._sessions = sessions
        self._service: ImapService | None = None

    def _start(self) -> ImapService:
        """Parts of all sessions: only servers with IMAP watch the store."""
        config, clock, store = self._kit.config, self._kit.runtime.clock, self._storage.store
        mailboxes = self._storage.imap_mailboxes or store.mailboxes
        folders = [Folder(each.path, use=each.use, is_subscribed=True) for each in config.imap.folders]
        return ImapService(
            config.hostname,
            self._access.readers,
            mailboxes,
            store.folders,
            store.contents,
            store.history,
            MailboxViews(mailboxes, clock, clock.pause, keeps_removed=_keeps_removed(config.imap)),
            clock,
            clock.pause,
            self._journal,
            AccountQuota(store.accounts, store.folders, store.mailboxes, default=config.delivery.quota),
            limits_of(config.imap, config.limits.errors),
            sessions=self._sessions,
            require_tls=config.accounts.require_tls,
            default_folders=tuple(folders),
            sessions_per_account=config.imap.sessions_per_account,
            version=__version__,
        )

    def listener(self, *, implicit_tls: bool = False) -> ServiceListener[ImapEvent]:
        """Listener for IMAP clients."""
        kit = self._kit
        shared = self._service = self._service or self._start()
        service = "imaps" if implicit_tls else "imap"

        def converse(peer: NetPeer[ImapEvent], engine: ImapServerEngine) -> Coroutine[Any, Any, None]:
            wrapped = kit.wrap_peer(peer, engine, service)
            return kit.start_when_open(lambda: read_folders(wrapped, engine, shared, log_out=peer.log_out))

        async def turn_away(peer: NetPeer[ImapEvent], engine: ImapServerEngine, reply: Reply) -> None:  # noqa: ARG001
            peer.send(responses.bye(reply.text, "UNAVAILABLE"))

        def engine() -> ImapServerEngine:
            return ImapServerEngine(tls=implicit_tls, limits=InputLimits(bare_lf=kit.config.imap.bare_lf))

        return kit.listener(service, engine, converse, turn_away, implicit_tls=implicit_tls, lifetime=math.inf)

    def close(self) -> None:
        """Stop watching the store."""
        if self._service is not None:
            self._service.views.close()


def _keeps_removed(settings: ImapSettings) -> float:
    """Seconds for which removed messages are kept after a session was active."""
    return 2 * settings.idle_timeout if settings.expunge_grace else 0.0


def limits_of(settings: ImapSettings, errors: int) -> ImapLimits:
    """Limits of one connection; `errors` is the number of BAD responses in a row."""
    return ImapLimits(
        login_timeout=settings.login_timeout,
        idle_timeout=settings.idle_timeout,
        write_timeout=settings.write_timeout,
        errors=errors,
        message_size=settings.max_size,
        append_messages=settings.append_messages,
        still_here=settings.keep_alive,
        folders=settings.max_folders,
        search_time=settings.search_timeout,
        search_contexts=settings.search_contexts,
        notify_folders=settings.notify_folders,
        journey_messages=settings.journey_messages,
        compression=settings.compression,
    )
