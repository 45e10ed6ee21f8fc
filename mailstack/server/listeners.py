"""Listeners of a server, by service: bound, opened and closed together."""
# ruff: noqa: PLC0415 - a server loads its pages when the first client connects

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config.checks import SERVED
from mailstack.letter.delivery import Journal
from mailstack.letter.envelope import HostPort
from mailstack.mailbox.pop3.authorization import LoginDelay
from mailstack.mailbox.pop3.maildrop import MAX_TOTAL_OCTETS
from mailstack.mailbox.pop3.session import Pop3Limits
from mailstack.mailbox.pop3.session import serve as read_maildrop
from mailstack.net.listening import Listener, ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.pop3.commands import Pop3Event
from mailstack.protocols.pop3.server import Code, Pop3ServerEngine
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.protocols.smtp.replies import Reply
from mailstack.server.imap_listeners import ImapListeners
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.runtime import Observers, Storage
from mailstack.server.smtp_listeners import SmtpListeners
from mailstack.store import Store

if TYPE_CHECKING:
    from mailstack.web.context import WebOptions
    from mailstack.web.listener import ProtocolFactory


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
            idle_timeout=limits.pop3_idle,
            write_timeout=limits.pop3_write,
            errors=limits.errors,
            sets_seen=kit.config.imap.seen_by_pop3,
        )
        mailboxes, clock = self._storage.mailboxes or self._storage.store.mailboxes, kit.runtime.clock

        def converse(peer: NetPeer[Pop3Event], engine: Pop3ServerEngine) -> Coroutine[Any, Any, None]:
            start = partial(
                read_maildrop,
                kit.wrap_peer(peer, engine, service),
                engine,
                hostname=kit.config.hostname,
                authenticator=access.readers,
                mailboxes=mailboxes,
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
            return kit.start_when_open(start)

        async def turn_away(peer: NetPeer[Pop3Event], engine: Pop3ServerEngine, reply: Reply) -> None:
            peer.send(engine.err(reply.text, Code.SYS_TEMP))

        def engine() -> Pop3ServerEngine:
            return Pop3ServerEngine(tls=implicit_tls, require_tls=require_tls, login_delay=login_delay.seconds)

        return kit.listener(service, engine, converse, turn_away, implicit_tls=implicit_tls)


class WebListeners:
    """Makes the listeners of one server."""

    def __init__(  # noqa: PLR0917  # dependencies, each of a type of its own
        self,
        kit: ListenerKit,
        store: Store,
        access: UserAccess,
        observers: Observers,
        submission: ReceivingRules,
        sessions: SessionRegistry,
        in_thread: Callable[[Callable[[], Any]], Deferred[Any]],
        options: WebOptions | None,
    ) -> None:
        self._kit = kit
        self._store = store
        self._access = access
        self._observers = observers
        self._submission = submission
        self._sessions = sessions
        self._in_thread = in_thread
        self._options = options

    def listener(self, bound: Mapping[str, Listener], *, implicit_tls: bool = False) -> Listener:
        """Listener for browsers; its pages show the ports of the listeners that are `bound` before it."""
        from mailstack.web.listener import WebListener

        runtime = self._kit.runtime
        ports = self._kit.ports(runtime.tls.for_web() if implicit_tls else None)
        shown = {name: listener.addresses[0].port for name, listener in bound.items() if listener.addresses}
        return WebListener(runtime.reactor, ports, limits=self._kit.connections, load=partial(self._load, shown))

    async def _load(self, ports: Mapping[str, int]) -> ProtocolFactory:
        # In a thread: there are many modules.
        await self._in_thread(partial(import_module, "mailstack.web.app"))
        from mailstack.web.api.events import StreamLimits
        from mailstack.web.app import protocol_factory
        from mailstack.web.context import ApiContext, Requests, WebOptions

        config, runtime, options = self._kit.config, self._kit.runtime, self._options or WebOptions()
        streams = StreamLimits(
            config.web.streams, config.web.streams_per_client, self._kit.workers.counters.long_requests
        )
        in_thread = options.in_thread or self._in_thread
        return await protocol_factory(
            ports,
            ApiContext(
                config,
                runtime.clock,
                self._store,
                self._access,
                self._observers.journal,
                self._observers.index,
                self._submission,
                Requests(runtime.reactor, in_thread, streams, self._sessions),
                options,
            ),
        )


class Listeners:
    """Bound by `listen`; sessions start with `open`, and end with `close`."""

    def __init__(
        self,
        kit: ListenerKit,
        smtp: SmtpListeners,
        pop3: Pop3Listeners,
        imap: ImapListeners,
        web: WebListeners,
    ) -> None:
        self.bound: dict[str, Listener] = {}
        """Listeners by their names in `[listen]`."""
        self.kit = kit
        self.smtp = smtp
        self.pop3 = pop3
        self._imap = imap
        self._config = kit.config
        self._makers: dict[str, Callable[[], Listener]] = {
            "submission": smtp.submission,
            "submissions": lambda: smtp.submission(implicit_tls=True),
            "mx": smtp.mx,
            "lmtp": smtp.lmtp,
            "pop3": pop3.listener,
            "pop3s": lambda: pop3.listener(implicit_tls=True),
            "imap": imap.listener,
            "imaps": lambda: imap.listener(implicit_tls=True),
            "web": lambda: web.listener(self.bound),
            "https": lambda: web.listener(self.bound, implicit_tls=True),
        }

    @property
    def addresses(self) -> list[HostPort]:
        return [each for listener in self.bound.values() for each in listener.addresses]

    async def listen(self) -> None:
        """Bind every port of the configuration. Raises twisted.internet.error.CannotListenError."""
        for name in SERVED:
            descriptions: Sequence[str] = getattr(self._config.listen, name)
            if descriptions:
                await self.bind(name, self._makers[name](), descriptions)

    async def bind(self, name: str, listener: Listener, descriptions: Sequence[str]) -> None:
        """Bind one listener, and register it by name. Raises twisted.internet.error.CannotListenError."""
        self.bound[name] = listener
        await listener.listen(descriptions)

    def open(self) -> None:
        """Start the sessions that wait, and all later ones at once."""
        self.kit.open()

    async def close(self, patience: float) -> None:
        """Stop listening, and end the sessions (RFC 5321 §3.8); clients have `patience` seconds to finish."""
        for listener in self.bound.values():
            await listener.stop_listening()
        waits = [listener.wait_until_empty(patience) for listener in self.bound.values()]
        await gatherResults([Deferred.fromCoroutine(each) for each in waits])
        self._imap.close()
