"""MAIL parameters of time and priority: HOLDFOR, HOLDUNTIL, BY, MT-PRIORITY."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from mailstack.letter.envelope import Envelope
from mailstack.letter.letter import Letter

HOLDFOR, HOLDUNTIL = "HOLDFOR", "HOLDUNTIL"
"""Parameters of MAIL (RFC 4865 §3): seconds, and a date and time."""
BY = "BY"
"""Parameter of MAIL (RFC 2852 §4)."""
PRIORITY = "MT-PRIORITY"
"""Parameter of MAIL (RFC 6710 §3)."""

TERMS = frozenset({HOLDFOR, HOLDUNTIL, BY, PRIORITY})

LOWEST, NORMAL, HIGHEST = -9, 0, 9
"""Priorities (RFC 6710 §3)."""

# RFC 4865 §3: 1 to 9 digits, none of them in vain.
_SECONDS = re.compile(r"[1-9][0-9]{0,8}\Z")
# RFC 3339 §5.6, in either case.
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)
# RFC 2852 §4: by-time ";" by-mode [by-trace].
_BY = re.compile(r"([+-]?[0-9]{1,9});([NRnr])([Tt]?)\Z")
# RFC 6710 §7: a digit but 0, perhaps with a minus before it, or 0.
_PRIORITY = re.compile(r"(?:0|-?[1-9])\Z")


class DeliverBy(Struct, frozen=True):
    """The value of BY= (RFC 2852 §4)."""

    seconds: int
    """Seconds from MAIL on; zero or less, once the time has passed, only if `returns` is False."""
    returns: bool
    """Whether a late letter comes back ("R"); else the delay is reported and delivery goes on ("N")."""
    traced: bool = False
    """Whether the sender wants to hear of each relaying ("T")."""

    def __str__(self) -> str:
        return f"{self.seconds};{'R' if self.returns else 'N'}{'T' if self.traced else ''}"


class Deadline(Struct, frozen=True):
    """DeliverBy as the queue keeps it: with the time of day."""

    at: float
    """Seconds since 1970."""
    returns: bool
    traced: bool

    def from_now(self, now: float) -> DeliverBy:
        """What the next host is told: the time that is left (RFC 2852 §4.1.4)."""
        return DeliverBy(int(self.at - now), self.returns, self.traced)


def read_seconds(text: str) -> int:
    """A future-release-interval (RFC 4865 §3). Raises ValueError."""
    if not _SECONDS.match(text):
        raise ValueError("1 to 9 digits, not beginning with 0")
    return int(text)


def read_date_time(text: str) -> float:
    """A date-time of RFC 3339 §5.6, as seconds since 1970. Raises ValueError."""
    if not _DATE_TIME.match(text):
        raise ValueError('a date and time such as "2030-01-31T18:00:00Z"')
    # A second that is leapt is taken for the one behind it, so that nothing is released too early.
    leapt = text[17:19] == "60"
    text = f"{text[:17]}59{text[19:]}" if leapt else text
    return datetime.fromisoformat(text.upper()).timestamp() + leapt


def date_time_text(at: float) -> str:
    """A date-time of RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def read_by(text: str) -> DeliverBy:
    """Raises ValueError."""
    found = _BY.match(text)
    if found is None:
        raise ValueError('seconds and a mode, such as "120;R" or "600;NT"')
    return DeliverBy(int(found[1]), found[2] in "Rr", bool(found[3]))


def read_priority(text: str) -> int:
    """Raises ValueError."""
    if not _PRIORITY.match(text):
        raise ValueError("a whole number from -9 to 9")
    return int(text)


def check(parameters: tuple[tuple[str, str], ...]) -> None:
    """Raises ValueError when parameters of MAIL, read from a store, are not what was written there."""
    readers = {HOLDFOR: read_seconds, HOLDUNTIL: read_date_time, BY: read_by, PRIORITY: read_priority}
    for keyword, value in parameters:
        if keyword in readers:
            readers[keyword](value)


def released_at(letter: Letter) -> float:
    """When the letter's time begins: as FUTURERELEASE asked, else when it arrived. Seconds since 1970."""
    return _released(letter.envelope, letter.arrival.at)


def _released(envelope: Envelope, arrived: float) -> float:
    if not envelope.parameters:
        return arrived
    parameters = dict(envelope.parameters)
    if HOLDFOR in parameters:
        return arrived + read_seconds(parameters[HOLDFOR])
    if HOLDUNTIL in parameters:
        return max(arrived, read_date_time(parameters[HOLDUNTIL]))
    return arrived


def deadline(letter: Letter) -> Deadline | None:
    """When the letter shall be delivered by; None when its sender did not say. It counts from the arrival."""
    return deadline_of(letter.envelope, letter.arrival.at)


def deadline_of(envelope: Envelope, arrived: float) -> Deadline | None:
    """The same, without a Letter; `arrived` is in seconds since 1970."""
    if not envelope.parameters:
        return None
    value = dict(envelope.parameters).get(BY)
    if value is None:
        return None
    by = read_by(value)
    return Deadline(arrived + by.seconds, by.returns, by.traced)


def is_held_too_long(parameters: Mapping[str, str], now: float) -> bool:
    """Whether a letter that is handed in `now` were released only behind the time that it is wanted by (RFC 4865 §5.2.2)."""
    if BY not in parameters:
        return False
    wanted = now + read_by(parameters[BY]).seconds
    if HOLDUNTIL in parameters:
        return read_date_time(parameters[HOLDUNTIL]) > wanted
    return HOLDFOR in parameters and now + read_seconds(parameters[HOLDFOR]) > wanted


def hold_request(envelope: Envelope) -> str:
    """What was said about the release, as a report repeats it (RFC 4865 §5.1.2); "" for nothing."""
    said = dict(envelope.parameters)
    if HOLDFOR in said:
        return f"for;{said[HOLDFOR]}"
    return f"until;{said[HOLDUNTIL]}" if HOLDUNTIL in said else ""


def requested_priority(envelope: Envelope) -> int | None:
    """LOWEST to HIGHEST; None without MT-PRIORITY."""
    if not envelope.parameters:
        return None
    value = dict(envelope.parameters).get(PRIORITY)
    return None if value is None else max(LOWEST, min(int(value), HIGHEST))


def priority(envelope: Envelope) -> int:
    """LOWEST to HIGHEST; NORMAL without MT-PRIORITY."""
    return requested_priority(envelope) or NORMAL
