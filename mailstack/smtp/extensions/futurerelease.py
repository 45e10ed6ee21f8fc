"""FUTURERELEASE (RFC 4865): a submitted letter waits here until the time that its sender names."""

from __future__ import annotations

from mailstack.letter.terms import HOLDFOR, HOLDUNTIL, date_time_text, read_date_time, read_seconds
from mailstack.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.smtp.replies import Refusal, Reply, reply

_SYNTAX_FOR = reply(501, "5.5.4", "HOLDFOR takes seconds: 1 to 9 digits, not beginning with 0")
_SYNTAX_UNTIL = reply(501, "5.5.4", "HOLDUNTIL takes a date and time such as 2030-01-31T18:00:00Z")


def _announced(facts: Facts) -> str | None:
    # §4: the longest interval, and the latest time; only a submission server offers it (§3).
    limits = facts.capabilities
    return f"{limits.max_hold} {date_time_text(limits.since + limits.max_hold)}" if limits.max_hold else None


def _read_for(value: str | None, facts: Facts) -> str:
    try:
        seconds = read_seconds(value or "")
    except ValueError:
        raise Refusal(_SYNTAX_FOR) from None
    if seconds > facts.capabilities.max_hold:
        raise Refusal(_too_late(facts))
    return str(seconds)


def _read_until(value: str | None, facts: Facts) -> str:
    # A time that has passed releases at once: the client's clock may be slow, or its line.
    try:
        at = read_date_time(value or "")
    except ValueError:
        raise Refusal(_SYNTAX_UNTIL) from None
    if at > facts.capabilities.since + facts.capabilities.max_hold:
        raise Refusal(_too_late(facts))
    return date_time_text(max(at, facts.capabilities.since))


def _too_late(facts: Facts) -> Reply:
    return reply(554, "5.5.4", f"a letter is held for {facts.capabilities.max_hold} seconds at most")


FUTURERELEASE = Extension(
    "FUTURERELEASE",
    _announced,
    mail={
        HOLDFOR: Parameter(_read_for, travels=True, excludes=HOLDUNTIL),
        HOLDUNTIL: Parameter(_read_until, travels=True, excludes=HOLDFOR),
    },
)
