"""The log: one line for each step of a letter's journey, and for everything that stdlib logging or Twisted says."""

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

from mailstack.letter.step import Step
from mailstack.letter.timestamps import iso8601
from mailstack.protocols.connection import Clock

LOGGED_FACTS = frozenset(
    "by client sender recipient recipients size tls host reply next_attempt remote_id spf dkim dmarc".split()  # noqa: SIM905
)
"""What of a step's facts goes into its line; the rest is in the journey."""

LONGEST_VALUE = 500
"""Characters of a fact that its line shows."""


def _told(name: str, value: Any) -> str:
    """A fact as its line shows it, behind a space."""
    if isinstance(value, str):
        return _known(name, value) if len(value) <= LONGEST_VALUE else f" {name}={_safe(value[:LONGEST_VALUE])}"
    if isinstance(value, int):
        return f" {name}={value}"
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    elif isinstance(value, Mapping):
        value = value.get("version", "")
    return _known(name, str(value)[:LONGEST_VALUE])


@lru_cache(maxsize=4096)  # the same people and hosts all day
def _known(name: str, value: str) -> str:
    return f" {name}={_safe(value)}"


def _safe(text: str) -> str:
    """What a peer said can't begin a new line or a new key."""
    if text.isprintable() and text and " " not in text and '"' not in text and "=" not in text:
        return text
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\x{ord(c):02x}" for c in text) + '"'


class Stream(Protocol):
    """As much of a text file as a log needs."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


_ATOMIC_WRITE = max(select.PIPE_BUF, 512)
"""Octets that the system writes to a pipe in one piece (POSIX)."""


class LineStream:
    """Stream on a file descriptor to which several processes write whole lines.

    A line that exceeds one atomic write may be interleaved with another.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str, /) -> None:
        """Whole lines, as many as fit in one piece at a time. Raises OSError."""
        octets = text.encode(errors="backslashreplace")
        start = 0
        while start < len(octets):
            end = len(octets)
            if end - start > _ATOMIC_WRITE:
                end = octets.rfind(b"\n", start, start + _ATOMIC_WRITE) + 1 or start + _ATOMIC_WRITE
            start += os.write(self._descriptor, octets[start:end])

    def flush(self) -> None:
        """Nothing is held back."""


class LineJournal:
    """A Journal that writes `TIME server id=… step=… by=…` lines to a stream."""

    def __init__(self, stream: Stream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._steps: list[Step] = []

    def tell(self, steps: Sequence[Step]) -> None:
        """One line a step, in one write for all that is told in a turn of the reactor."""
        if not self._steps:
            self._clock.call_later(0, self._write)
        self._steps += steps

    def _write(self) -> None:
        """A stream that is full or gone loses lines, never letters."""
        steps, self._steps = self._steps, []
        with suppress(OSError, ValueError):
            self._stream.write("".join([line(step) for step in steps]))
            self._stream.flush()


def line(step: Step) -> str:
    """A step as the log shows it."""
    told = [_told(name, value) for name, value in step.facts.items() if name in LOGGED_FACTS and value]
    return f"{iso8601(step.at)} {step.server} id={step.letter} step={step.step}{''.join(told)}\n"


class SilentJournal:
    """A Journal for those who don't listen."""

    def tell(self, steps: Sequence[Step]) -> None:
        """Nothing to do."""


_CHATTER = (
    "DNSDatagramProtocol starting on ",
    "Starting protocol <twisted.names.",
    "Stopping protocol <twisted.names.",
    "(UDP Port ",
    "Truncated packet (",
    "Unexpected message (",
)
"""What Twisted tells of every question to the DNS, at the level of what people want to read; the last two of whatever
anybody sends to a port from which we ask.
"""


@implementer(ILogObserver)
class StreamObserver:
    """Twisted's log events as lines of the same form."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __call__(self, event: Any) -> None:
        level = event.get("log_level", LogLevel.info).name
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        if text.startswith(_CHATTER):
            return
        with suppress(OSError, ValueError):
            self._stream.write(f"{iso8601(event['log_time'])} {level}: {_one_entry(text)}\n")
            self._stream.flush()


def _one_entry(text: str) -> str:
    """Whatever octets of a peer are in it, no further line looks like one of ours, and a terminal that shows it obeys nobody."""
    if text.isprintable():
        return text
    lines = ["".join([c if c.isprintable() else f"\\x{ord(c):02x}" for c in line]) for line in text.split("\n")]
    return "\n\t".join(lines)


class _ToTwisted(logging.Handler):
    """Carries stdlib logging, which the stations use, to Twisted's publisher."""

    def __init__(self) -> None:
        super().__init__()
        self._log = TwistedLogger("mailstack")

    def emit(self, record: logging.LogRecord) -> None:
        level = LogLevel.lookupByName({"WARNING": "warn"}.get(record.levelname, record.levelname.lower()))
        self._log.emit(level, "{text}", text=self.format(record))


def carry_stdlib_logging(level: str = "info") -> None:
    """Send what the stations say by stdlib logging to Twisted's log; twice is the same as once."""
    logger = logging.getLogger("mailstack")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not any(isinstance(handler, _ToTwisted) for handler in logger.handlers):
        logger.addHandler(_ToTwisted())


def log_to(stream: Stream, level: str = "info") -> None:
    """Everything to one stream, as `mailstack serve` and `mailstack dev` do."""
    predicate = LogLevelFilterPredicate(LogLevel.lookupByName({"warning": "warn"}.get(level, level)))
    observer = FilteringLogObserver(StreamObserver(stream), [predicate])
    globalLogPublisher.addObserver(observer)
    carry_stdlib_logging(level)
