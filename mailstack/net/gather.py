"""Concurrent coroutines on Twisted's Deferreds."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults


async def gather(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all coroutines, in their order. The first exception is raised once it happens."""
    try:
        return await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
        raise
