"""Controller: an SMTP server on an asyncio loop in a thread."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self

from mailstack.testing.aiosmtpd.smtp import SMTP

UNSUPPORTED_HOOKS = ("auth_", "handle_AUTH", "handle_PROXY", "handle_STARTTLS")


class Controller:
    """SMTP server on a TCP port: `start` and `stop`, or a `with` block. `port` has the chosen one where 0 was given."""

    def __init__(
        self,
        handler: Any,
        hostname: str | None = None,
        port: int = 8025,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        ready_timeout: float = 5.0,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        **smtp_options: Any,
    ) -> None:
        """`smtp_options` are the arguments of SMTP. Raises TypeError for an argument or hook that is not supported."""
        self.handler = handler
        self.hostname = "127.0.0.1" if hostname is None else hostname
        self.port = port
        self.loop = loop or asyncio.new_event_loop()
        self.ready_timeout = ready_timeout
        self.ssl_context = ssl_context
        self.SMTP_kwargs: dict[str, Any] = {"hostname": server_hostname, **smtp_options}
        self.smtpd: Any = None
        """Protocol of the newest connection."""
        self.server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        hooks = [name for name in dir(handler) if name.startswith(UNSUPPORTED_HOOKS)]
        for name in hooks + sorted(smtp_options.keys() - inspect.signature(SMTP).parameters):
            raise TypeError(
                f"{name} is not supported: for TLS, logins and limits use the fixture `mailstack` or `smtpd`"
            )

    def factory(self) -> asyncio.Protocol:
        """Protocol for one connection; a subclass may return another."""
        return SMTP(self.handler, **self.SMTP_kwargs)

    def _connection(self) -> asyncio.Protocol:
        self.smtpd = protocol = self.factory()
        return protocol

    def start(self) -> None:
        """Starts to listen; returns when connections are accepted. Raises OSError, TimeoutError, errors of `factory`."""
        assert self._thread is None, "SMTP daemon already running"
        if self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
        listening: Future[None] = Future()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="mailstack-controller", daemon=True)
        self._thread.start()
        listening.result(self.ready_timeout)

    def _run(self, listening: Future[None]) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: Future[None]) -> None:
        try:
            self._connection()  # so that `start` raises an error of the factory
            found = await self.loop.getaddrinfo(self.hostname or None, self.port, type=socket.SOCK_STREAM)
            # One address, IPv4 if the name has any: two sockets on port 0 would get two ports.
            family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
            listener = socket.create_server(address[:2], family=family)
            self.port = listener.getsockname()[1]
            # A client that speaks in clear where TLS is expected hangs for five seconds, not for asyncio's minute.
            tls: dict[str, Any] = {"ssl": self.ssl_context, "ssl_handshake_timeout": 5.0} if self.ssl_context else {}
            self.server = await self.loop.create_server(self._connection, sock=listener, **tls)
        except BaseException as error:  # noqa: BLE001 - `start` raises it
            listening.set_exception(error)
            return
        listening.set_result(None)
        await self._stopped.wait()
        self.server.close()

    def stop(self, no_assert: bool = False) -> None:
        """Closes all connections and the listening socket, and ends the thread."""
        assert no_assert or self._thread is not None, "SMTP daemon not running"
        if self._thread is not None:
            with suppress(RuntimeError):  # a failed start has closed the loop
                self.loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()
        self.server = self.smtpd = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
