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

# RFC 4865 §3: 1 to 9 digits, without leading zeros.
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
    """Seconds from MAIL on; zero or less (only without `returns`) once the time has passed."""
    returns: bool
    """Whether a late letter bounces ("R"); else the delay is reported ("N")."""
    traced: bool = False
    """Whether each relaying is reported to the sender ("T")."""

    def __str__(self) -> str:
        return f"{self.seconds};{'R' if self.returns else 'N'}{'T' if self.traced else ''}"


class Deadline(Struct, frozen=True):
    """DeliverBy with an absolute time, as in the queue."""

    at: float
    """Seconds since 1970."""
    returns: bool
    traced: bool

    def from_now(self, now: float) -> DeliverBy:
        """BY for the next host, with the remaining time (RFC 2852 §4.1.4)."""
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
    # A leap second counts as the next one, so that no letter is released too early.
    is_leap_second = text[17:19] == "60"
    text = f"{text[:17]}59{text[19:]}" if is_leap_second else text
    return datetime.fromisoformat(text.upper()).timestamp() + is_leap_second


def date_time_text(at: float) -> str:
    """A date-time of RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def read_by(text: str) -> DeliverBy:
    """Parse the value of BY. Raises ValueError."""
    match = _BY.match(text)
    if match is None:
        raise ValueError('seconds and a mode, such as "120;R" or "600;NT"')
    return DeliverBy(int(match[1]), match[2] in "Rr", bool(match[3]))


def read_priority(text: str) -> int:
    """Parse the value of MT-PRIORITY. Raises ValueError."""
    if not _PRIORITY.match(text):
        raise ValueError("a whole number from -9 to 9")
    return int(text)


def check(parameters: tuple[tuple[str, str], ...]) -> None:
    """Raise ValueError for invalid MAIL parameters from a damaged store."""
    readers = {HOLDFOR: read_seconds, HOLDUNTIL: read_date_time, BY: read_by, PRIORITY: read_priority}
    for keyword, value in parameters:
        if keyword in readers:
            readers[keyword](value)


def released_at(letter: Letter) -> float:
    """Time of release by FUTURERELEASE, else of arrival, in seconds since 1970."""
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
    """Deadline by BY, from the arrival on; None without BY."""
    return deadline_of(letter.envelope, letter.arrival.at)


def deadline_of(envelope: Envelope, arrived: float) -> Deadline | None:
    """Deadline of an envelope that arrived at `arrived`, in seconds since 1970."""
    if not envelope.parameters:
        return None
    value = dict(envelope.parameters).get(BY)
    if value is None:
        return None
    by = read_by(value)
    return Deadline(arrived + by.seconds, by.returns, by.traced)


def is_held_too_long(parameters: Mapping[str, str], now: float) -> bool:
    """Whether a letter submitted `now` would be released after its deadline (RFC 4865 §5.2.2)."""
    if BY not in parameters:
        return False
    deliver_by = now + read_by(parameters[BY]).seconds
    if HOLDUNTIL in parameters:
        return read_date_time(parameters[HOLDUNTIL]) > deliver_by
    return HOLDFOR in parameters and now + read_seconds(parameters[HOLDFOR]) > deliver_by


def hold_request(envelope: Envelope) -> str:
    """Request of a later release, for a report (RFC 4865 §5.1.2); "" without one."""
    parameters = dict(envelope.parameters)
    if HOLDFOR in parameters:
        return f"for;{parameters[HOLDFOR]}"
    return f"until;{parameters[HOLDUNTIL]}" if HOLDUNTIL in parameters else ""


def requested_priority(envelope: Envelope) -> int | None:
    """Priority from LOWEST to HIGHEST; None without MT-PRIORITY."""
    if not envelope.parameters:
        return None
    value = dict(envelope.parameters).get(PRIORITY)
    return None if value is None else max(LOWEST, min(int(value), HIGHEST))


def priority(envelope: Envelope) -> int:
    """Priority from LOWEST to HIGHEST; NORMAL without MT-PRIORITY."""
    return requested_priority(envelope) or NORMAL
