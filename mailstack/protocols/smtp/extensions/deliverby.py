"""DELIVERBY (RFC 2852): the time by which a letter shall be delivered, and what to do when it can't be."""

from __future__ import annotations

from mailstack.letter.time_parameters import BY, read_by
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, reply

_SYNTAX = reply(501, "5.5.4", "BY takes seconds and a mode, such as 120;R or 600;NT")
_PASSED = reply(501, "5.5.4", "BY with mode R takes a time to come")


def _announced(facts: Facts) -> str | None:
    # §2: the least by-time that makes sense here; without it there is no limit.
    least = facts.capabilities.least_by
    return None if least is None else str(least) if least else ""


def _read(value: str | None, facts: Facts) -> str:
    try:
        by = read_by(value or "")
    except ValueError:
        raise Refusal(_SYNTAX) from None
    if by.returns:
        least = facts.capabilities.least_by or 0
        if by.seconds <= 0:
            raise Refusal(_PASSED)
        if by.seconds < least:
            raise Refusal(reply(555, "5.5.4", f"BY with mode R takes at least {least} seconds here"))
    return str(by)


DELIVERBY = Extension("DELIVERBY", _announced, mail={BY: Parameter(_read, travels=True)})
