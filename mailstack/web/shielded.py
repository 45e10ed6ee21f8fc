"""Shield for work that goes on when its request is cancelled."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailstack.store import StoreError
from mailstack.web.http_values import HttpError

T = TypeVar("T")

_log = logging.getLogger(__name__)


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A caller that is cancelled hears CancelledError at once, and `work` goes on to its end."""
    waiting: Deferred[T] = Deferred()

    def end(result: T | Failure) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure) and result.check(StoreError):
            _log.error("it failed after its client had gone: %s", result.getErrorMessage())
        elif isinstance(result, Failure) and not result.check(HttpError):
            _log.error("a bug: it failed after its client had gone", exc_info=result.value)

    Deferred.fromCoroutine(work).addBoth(end)
    return await waiting
