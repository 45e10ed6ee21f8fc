"""Reactor thread access for mailboxes of a test server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from mailstack.sandbox.dev import DevEnvironment

T = TypeVar("T")


class ThreadCall(Protocol):
    """Function that runs a coroutine in the reactor's thread, and returns its result."""

    def __call__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T: ...


class WatchStart(Protocol):
    """Function that repeats a search after each change, until it finds something or `timeout` seconds have passed."""

    def __call__(
        self, find: Callable[[], Coroutine[Any, Any, T | None]], timeout: float, on_timeout: Callable[[], T]
    ) -> Future[T]: ...


class BlockingWait(Protocol):
    """Function that returns the result of a search with this timeout."""

    def __call__(self, future: Future[T], timeout: float) -> T: ...


class AsyncWait(Protocol):
    """Function that returns the result of a search to a coroutine, without blocking its loop."""

    def __call__(self, future: Future[T]) -> Awaitable[T]: ...


class ServerAccess(NamedTuple):
    """Access to a running test server from other threads."""

    environment: Callable[[], DevEnvironment]
    """Function that returns the running environment."""
    call: ThreadCall
    watch: WatchStart
    result: BlockingWait
    awaited: AsyncWait
