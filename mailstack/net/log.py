"""Log: one line for each step of a letter and for each log event."""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    globalLogPublisher,
)
from twisted.logger import Logger as TwistedLogger
from zope.interface import implementer

from mailstack.letter.delivery import Step
from mailstack.letter.times import iso8601
from mailstack.protocols.connection import Clock

LOGGED_FACTS = frozenset(
    "by client sender recipient recipients size tls host reply next_attempt remote_id spf dkim dmarc".split()  # noqa: SIM905
)
"""Facts of a step that its log line has; all facts are in the journey."""

MAX_VALUE = 500
"""Maximum characters of a fact in a log line."""


def _fact(name: str, value: Any) -> str:
    """Text of a fact in a log line, with a space before it."""
    if isinstance(value, str):
        return _cached_fact(name, value) if len(value) <= MAX_VALUE else f" {name}={_escape(value[:MAX_VALUE])}"
    if isinstance(value, int):
        return f" {name}={value}"
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    elif isinstance(value, Mapping):
        value = value.get("version", "")
    return _cached_fact(name, str(value)[:MAX_VALUE])


@lru_cache(maxsize=4096)  # the same people and hosts all day
def _cached_fact(name: str, value: str) -> str:
    return f" {name}={_escape(value)}"


def _escape(text: str) -> str:
    """Quotes text of peers, so that it can't start a new line or key."""
    if text.isprintable() and text and " " not in text and '"' not in text and "=" not in text:
        return text
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\x{ord(c):02x}" for c in text) + '"'


class Stream(Protocol):
    """Part of a text file that the log needs."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


_ATOMIC_WRITE = max(select.PIPE_BUF, 512)
"""Maximum octets that the system writes to a pipe atomically (POSIX)."""


class LineStream:
    """Stream on a file descriptor to which several processes write whole lines.

    A line that exceeds one atomic write may be interleaved with another.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str, /) -> None:
        """Write whole lines, as many as fit into one atomic write at a time. Raises OSError."""
        octets = text.encode(errors="backslashreplace")
        start = 0
        while start < len(octets):
            end = len(octets)
            if end - start > _ATOMIC_WRITE:
                end = octets.rfind(b"\n", start, start + _ATOMIC_WRITE) + 1 or start + _ATOMIC_WRITE
            start += os.write(self._descriptor, octets[start:end])

    def flush(self) -> None:
        """Does nothing: `write` has no buffer."""


class LineJournal:
    """Journal that writes `TIME server id=… step=… by=…` lines to a stream."""

    def __init__(self, stream: Stream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._steps: list[Step] = []

    def record(self, steps: Sequence[Step]) -> None:
        """Write one line a step, with a single write for all steps of a reactor turn."""
        if not self._steps:
            self._clock.call_later(0, self._write)
        self._steps += steps

    def _write(self) -> None:
        """Write the pending lines. Lines for a full or closed stream are lost."""
        steps, self._steps = self._steps, []
        with suppress(OSError, ValueError):
            self._stream.write("".join([line(step) for step in steps]))
            self._stream.flush()


def line(step: Step) -> str:
    facts = [_fact(name, value) for name, value in step.facts.items() if name in LOGGED_FACTS and value]
    return f"{iso8601(step.at)} {step.server} id={step.letter} step={step.step}{''.join(facts)}\n"


class SilentJournal:
    """Journal that discards all steps."""

    def record(self, steps: Sequence[Step]) -> None:
        """Does nothing."""


_NOISY_TEXTS = (
    "DNSDatagramProtocol starting on ",
    "Starting protocol <twisted.names.",
    "Stopping protocol <twisted.names.",
    "(UDP Port ",
    "Truncated packet (",
    "Unexpected message (",
)
"""Beginnings of Twisted's log messages about each DNS query, which are left out.

The last two are about packets that any host can send to the source port of a query.
"""


@implementer(ILogObserver)
class StreamObserver:
    """Observer that writes Twisted's log events as lines of the same form."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __call__(self, event: Any) -> None:
        level = event.get("log_level", LogLevel.info).name
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        if text.startswith(_NOISY_TEXTS):
            return
        with suppress(OSError, ValueError):
            self._stream.write(f"{iso8601(event['log_time'])} {level}: {_one_entry(text)}\n")
            self._stream.flush()


def _one_entry(text: str) -> str:
    """Escapes text of peers, so that it can't imitate a log line or control a terminal; later lines are indented."""
    if text.isprintable():
        return text
    lines = ["".join([c if c.isprintable() else f"\\x{ord(c):02x}" for c in line]) for line in text.split("\n")]
    return "\n\t".join(lines)


class _TwistedHandler(logging.Handler):
    """Handler that forwards stdlib logging, as the rules of services use it, to Twisted's publisher."""

    def __init__(self) -> None:
        super().__init__()
        self._log = TwistedLogger("mailstack")

    def emit(self, record: logging.LogRecord) -> None:
        level = LogLevel.lookupByName({"WARNING": "warn"}.get(record.levelname, record.levelname.lower()))
        self._log.emit(level, "{text}", text=self.format(record))


def forward_stdlib_logging(level: str = "info") -> None:
    """Forwards stdlib logging of mailstack to Twisted's log. A second call changes only the level."""
    logger = logging.getLogger("mailstack")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not any(isinstance(handler, _TwistedHandler) for handler in logger.handlers):
        logger.addHandler(_TwistedHandler())


def log_to(stream: Stream, level: str = "info") -> None:
    """Writes all log events to one stream, as `mailstack serve` and `mailstack dev` do."""
    predicate = LogLevelFilterPredicate(LogLevel.lookupByName({"warning": "warn"}.get(level, level)))
    observer = FilteringLogObserver(StreamObserver(stream), [predicate])
    globalLogPublisher.addObserver(observer)
    forward_stdlib_logging(level)
