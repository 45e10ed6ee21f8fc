"""Listeners of a server, by service: bound, opened and closed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, gatherResults

from mailstack.config import Config
from mailstack.config.checks import SERVED
from mailstack.letter.envelope import HostPort
from mailstack.net.listening import Listener
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.reader_listeners import Pop3Listeners, WebListeners
from mailstack.server.smtp_listeners import SmtpListeners


class Listeners:
    """Bound by `listen`; sessions start with `open`, and end with `close`."""

    def __init__(
        self, config: Config, kit: ListenerKit, smtp: SmtpListeners, pop3: Pop3Listeners, web: WebListeners
    ) -> None:
        self.bound: dict[str, Listener] = {}
        """Listeners by their names in `[listen]`."""
        self.kit = kit
        self.smtp = smtp
        self.pop3 = pop3
        self._config = config
        self._makers: dict[str, Callable[[], Listener]] = {
            "submission": smtp.submission,
            "submissions": lambda: smtp.submission(implicit_tls=True),
            "mx": smtp.mx,
            "lmtp": smtp.lmtp,
            "pop3": pop3.listener,
            "pop3s": lambda: pop3.listener(implicit_tls=True),
            "web": lambda: web.listener(self.bound),
            "https": lambda: web.listener(self.bound, implicit_tls=True),
        }

    @property
    def addresses(self) -> list[HostPort]:
        """Addresses of all listeners."""
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
