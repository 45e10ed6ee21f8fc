"""Delivery job: an attempt to be made, and its lane."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.content import CHUNK
from mailstack.letter.delivery import Delivery
from mailstack.queue.host_standings import UNKNOWN


class DeliveryJob(Struct, frozen=True):
    """Attempt to be made: deliveries of one letter to the same hosts, claimed by this process."""

    letter: Letter
    destination: str
    """LOCAL, or the key of these hosts: a domain, or the smart host."""
    deliveries: tuple[Delivery, ...]

    @property
    def priority(self) -> int:
        """Priority of the letter (RFC 6710)."""
        return self.deliveries[0].priority if self.deliveries else 0

    @property
    def is_retry(self) -> bool:
        """Whether it was attempted before, or is a report. Other hosts can provoke any number of reports to themselves."""
        tried = bool(self.deliveries) and self.deliveries[0].attempts > 1
        return tried or self.is_report

    @property
    def is_report(self) -> bool:
        """Whether the reverse-path is null (RFC 5321 §4.5.5)."""
        return self.letter.envelope.sender is None

    @property
    def octets(self) -> int:
        """Maximum number of octets that the content takes in memory; the larger ones are in files."""
        return min(self.letter.content.size, CHUNK)


class Lane(NamedTuple):
    """Class of jobs that go before those of a lower class."""

    priority: int
    is_retry: bool
    is_report: bool
    standing: int = UNKNOWN
    """Standing of the destination."""
