"""Controllers: a server with its own asyncio loop in a thread, or in the loop of whoever wants it without one."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Self

from mailstack.testing.aiosmtpd.peer import HANDSHAKE
from mailstack.testing.aiosmtpd.smtp import SMTP

__all__ = ["Controller", "UnixSocketController", "UnthreadedController", "get_localhost"]

DEFAULT_READY_TIMEOUT = 5.0
"""Seconds until a server must listen; AIOSMTPD_CONTROLLER_TIMEOUT goes before it."""
TRIES = 10
"""Ports that are tried where any will do."""
PROBE = 1.0
"""Seconds that the first look at the new server may take."""


def get_localhost() -> str:
    """`::1` where IPv6 can be had, else `127.0.0.1`."""
    with suppress(OSError), closing(socket.socket(socket.AF_INET6)) as probe:
        probe.bind(("::1", 0))
        return "::1"
    return "127.0.0.1"


class BaseController(ABC):
    """What all controllers do: make a server of SMTP protocols. `SMTP_parameters` are SMTP's arguments."""

    def __init__(
        self,
        handler: Any,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        **SMTP_parameters: Any,  # noqa: N803 - aiosmtpd's name
    ) -> None:
        self.handler = handler
        self.loop = loop or asyncio.new_event_loop()
        self.ssl_context = ssl_context
        self.SMTP_kwargs: dict[str, Any] = {**SMTP_parameters.pop("server_kwargs", {}), **SMTP_parameters}
        if server_hostname:
            self.SMTP_kwargs["hostname"] = server_hostname
        self.SMTP_kwargs.setdefault("enable_SMTPUTF8", True)
        self.smtpd: Any = None
        """The newest connection's."""
        self.server: asyncio.Server | None = None
        self.server_coro: Coroutine[Any, Any, asyncio.Server] | None = None
        self._thread_exception: BaseException | None = None
        self._factory_invoked: threading.Event | None = threading.Event()

    def factory(self) -> asyncio.Protocol:
        """A protocol for one connection; subclasses make others."""
        return SMTP(self.handler, loop=self.loop, **self.SMTP_kwargs)

    def _factory_invoker(self) -> asyncio.Protocol:
        try:
            self.smtpd = self.factory()
        except Exception as error:
            # Who starts the controller hears it, not only the log.
            self._thread_exception = error
            raise
        finally:
            if self._factory_invoked is not None:
                self._factory_invoked.set()
        return self.smtpd  # type: ignore[no-any-return]

    @abstractmethod
    def _create_server(self) -> Coroutine[Any, Any, asyncio.Server]:
        """Where it listens."""

    def _cleanup(self) -> None:
        self._thread_exception = None
        self._factory_invoked = threading.Event()
        self.server = self.server_coro = self.smtpd = None

    def cancel_tasks(self, stop_loop: bool = True) -> None:
        """Drop what goes on in the loop, and end it. To be called in the loop's thread."""
        if stop_loop:
            self.loop.stop()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()


class Inet(BaseController):
    """Listens on a port; 0 is any that is free, and `port` has it once the server runs."""

    def __init__(
        self,
        handler: Any,
        hostname: str | None = None,
        port: int = 8025,
        loop: asyncio.AbstractEventLoop | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(handler, loop, **kwargs)
        self._localhost = get_localhost()
        self.hostname = self._localhost if hostname is None else hostname
        self.port = port

    def _create_server(self) -> Coroutine[Any, Any, asyncio.Server]:
        return self._listen()

    async def _listen(self) -> asyncio.Server:
        if self.port:
            return await self._listen_on(self.port)
        # A name such as "localhost" has several addresses, which shall have one port.
        for _ in range(TRIES - 1):
            with suppress(OSError):
                return await self._listen_on(await self._free_port())
        return await self._listen_on(await self._free_port())

    async def _listen_on(self, port: int) -> asyncio.Server:
        server = await self.loop.create_server(
            self._factory_invoker,
            host=self.hostname,
            port=port,
            ssl=self.ssl_context,
            ssl_handshake_timeout=HANDSHAKE if self.ssl_context else None,
        )
        self.port = port
        return server

    async def _free_port(self) -> int:
        """One that was free a moment ago."""
        found = await self.loop.getaddrinfo(self.hostname or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        with closing(socket.socket(family)) as probe:
            probe.bind(address)
            return int(probe.getsockname()[1])

    def _trigger_server(self) -> None:
        """Connect once, so that what is wrong with `factory` is heard now."""
        with socket.create_connection((self.hostname or self._localhost, self.port), PROBE) as probe:
            _hear_greeting(probe, under_tls=self.ssl_context is not None)


class Unix(BaseController):
    """Listens on a UNIX socket."""

    def __init__(
        self, handler: Any, unix_socket: str | Path, loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any
    ) -> None:
        super().__init__(handler, loop, **kwargs)
        self.unix_socket = str(unix_socket)

    def _create_server(self) -> Coroutine[Any, Any, asyncio.Server]:
        return self.loop.create_unix_server(self._factory_invoker, path=self.unix_socket, ssl=self.ssl_context)

    def _trigger_server(self) -> None:
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.settimeout(PROBE)
            probe.connect(self.unix_socket)
            _hear_greeting(probe, under_tls=self.ssl_context is not None)


class Threaded(BaseController):
    """Runs its loop in a thread: `start` and `stop`, or a `with` block."""

    _thread: threading.Thread | None = None

    def __init__(
        self,
        handler: Any,
        *args: Any,
        ready_timeout: float = DEFAULT_READY_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(handler, *args, **kwargs)
        self.ready_timeout = float(os.getenv("AIOSMTPD_CONTROLLER_TIMEOUT") or ready_timeout)

    @abstractmethod
    def _trigger_server(self) -> None:
        """Connect once, so that what is wrong with the factory is known."""

    def _run(self, ready_event: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.server_coro = self._create_server()
            self.server = self.loop.run_until_complete(self.server_coro)
        except BaseException as error:  # noqa: BLE001 - it is raised where `start` waits
            self._thread_exception = error
            self.loop.close()
            ready_event.set()
            return
        self.loop.call_soon(ready_event.set)
        self.loop.run_forever()
        self.server.close()
        # Let those that were cancelled end.
        if tasks := asyncio.all_tasks(self.loop):
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=PROBE))
        self.loop.close()
        self.server = None

    def start(self) -> None:
        """Listen, and return when it works. Raises OSError, TimeoutError, and what `factory` raises."""
        assert self._thread is None, "SMTP daemon already running"
        if self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
        self._factory_invoked = invoked = threading.Event()
        self._thread_exception = None
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="mailstack-controller", daemon=True)
        self._thread.start()
        in_time = ready.wait(self.ready_timeout)
        if self._thread_exception is not None:
            raise self._thread_exception
        if not in_time:
            raise TimeoutError(
                f"the server does not listen after {self.ready_timeout:g} s; give a longer ready_timeout"
            )
        with suppress(TimeoutError, ConnectionError):
            self._trigger_server()
        if not invoked.wait(self.ready_timeout):
            raise TimeoutError(
                f"the server does not answer after {self.ready_timeout:g} s; give a longer ready_timeout"
            )
        if self._thread_exception is not None:
            raise self._thread_exception

    def stop(self, no_assert: bool = False) -> None:
        """Drop all connections, close the port, and end the thread."""
        assert no_assert or self._thread is not None, "SMTP daemon not running"
        if self._thread is not None:
            with suppress(RuntimeError):  # the loop is closed where the start failed
                self.loop.call_soon_threadsafe(self.cancel_tasks)
            self._thread.join()
            self._thread = None
        self._cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Controller(Inet, Threaded):
    """A server on a port, in a thread."""

    def __init__(
        self,
        handler: Any,
        hostname: str | None = None,
        port: int = 8025,
        loop: asyncio.AbstractEventLoop | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(handler, hostname, port, loop, **kwargs)


class UnixSocketController(Unix, Threaded):
    """A server on a UNIX socket, in a thread."""


class UnthreadedController(Inet):
    """A server on a port, in a loop that somebody else runs: `begin`, then `end` or `await finalize()`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ended = threading.Event()

    def begin(self) -> None:
        """Listen; the loop must not run yet."""
        self.server_coro = self._create_server()
        self.server = self.loop.run_until_complete(self.server_coro)

    async def finalize(self) -> None:
        """Close the port."""
        assert self.server is not None, "begin() first"
        self.server.close()
        self._cleanup()
        self.ended.set()

    def end(self) -> None:
        """The same from plain code; where the loop runs, `ended` tells when it is done."""
        self.ended.clear()
        if self.loop.is_running():
            self._ending = self.loop.create_task(self.finalize())
        else:
            self.loop.run_until_complete(self.finalize())


def _hear_greeting(probe: socket.socket, *, under_tls: bool) -> None:
    if under_tls:
        # Only to have said hello to ourselves: nothing is checked, and nothing trusted.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(probe) as secured:
            secured.recv(1024)
    else:
        probe.recv(1024)
