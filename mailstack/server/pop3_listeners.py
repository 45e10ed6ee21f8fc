"""POP3 listeners (RFC 1939), with STLS or implicit TLS."""

from __future__ import annotations

import math
from collections.abc import Coroutine
from functools import partial
from typing import Any

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.letter.step import Journal
from mailstack.mailbox.pop3.authorization import LoginDelay
from mailstack.mailbox.pop3.maildrop import MAX_TOTAL_OCTETS
from mailstack.mailbox.pop3.session import Pop3Limits
from mailstack.mailbox.pop3.session import serve as read_maildrop
from mailstack.net.listening import ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.pop3.commands import Pop3Event
from mailstack.protocols.pop3.responses import Code
from mailstack.protocols.pop3.server import ServerEngine as Pop3Engine
from mailstack.protocols.smtp.replies import Reply
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.runtime import Storage


class Pop3Listeners:
    """Makes the listeners of one server."""

    def __init__(
        self, kit: ListenerKit, storage: Storage, access: UserAccess, journal: Journal, sessions: SessionRegistry
    ) -> None:
        self._kit = kit
        self._storage = storage
        self._access = access
        self._journal = journal
        self._sessions = sessions
        delay = math.ceil(kit.config.limits.pop3_login_delay)
        self._login_delay = LoginDelay(delay, kit.runtime.clock.steady, kit.workers.counters.logins)
        self._ahead = MemoryBudget(MAX_TOTAL_OCTETS)

    def listener(self, *, implicit_tls: bool = False) -> ServiceListener[Pop3Event]:
        """Listener for POP3 clients."""
        kit, access, login_delay = self._kit, self._access, self._login_delay
        require_tls, limits = kit.config.accounts.require_tls, kit.config.limits
        service = "pop3s" if implicit_tls else "pop3"
        session_limits = Pop3Limits(
            idle_timeout=limits.pop3_idle, write_timeout=limits.pop3_write, errors=limits.errors
        )
        store, clock = self._storage.maildrops or self._storage.store, kit.runtime.clock

        def converse(peer: NetPeer[Pop3Event], engine: Pop3Engine) -> Coroutine[Any, Any, None]:
            begin = partial(
                read_maildrop,
                kit.hooked(peer, engine, service),
                engine,
                hostname=kit.config.hostname,
                authenticator=access.readers,
                store=store,
                clock=clock,
                pause=clock.pause,
                journal=self._journal,
                limits=session_limits,
                login_delay=login_delay,
                holder_of=access.server_of_mailbox,
                memory_budget=self._ahead,
                sessions=self._sessions,
                log_out=peer.log_out,
            )
            return kit.once_open(begin)

        async def turn_away(peer: NetPeer[Pop3Event], engine: Pop3Engine, reply: Reply) -> None:
            peer.send(engine.err(reply.text, Code.SYS_TEMP))

        def engine() -> Pop3Engine:
            return Pop3Engine(tls=implicit_tls, require_tls=require_tls, login_delay=login_delay.seconds)

        return kit.listener(service, engine, converse, turn_away, implicit_tls=implicit_tls)
