"""Policies: verdicts on clients, senders, recipients and letters.

A policy never acts. `strictest` reduces several verdicts to one; `enforce` raises it as a Refusal, which becomes the
reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from mailstack.protocols.smtp.replies import Refusal, Reply


class Pass(Struct, frozen=True):
    """Verdict without an objection."""


class Defer(Struct, frozen=True):
    """Temporary refusal: a 4yz reply (RFC 5321 §4.2.1)."""

    reply: Reply
    reason: str = ""
    """Private reason for the log; never sent."""


class Refuse(Struct, frozen=True):
    """Permanent refusal: a 5yz reply (RFC 5321 §4.2.1)."""

    reply: Reply
    reason: str = ""
    """Private reason for the log; never sent."""


Verdict = Pass | Defer | Refuse

PASS = Pass()

_STRICTNESS: dict[type[Verdict], int] = {Pass: 0, Defer: 1, Refuse: 2}


def strictest(verdicts: Iterable[Verdict]) -> Verdict:
    """Returns the strictest verdict, in the order Refuse, Defer, Pass; the first of equals. Without verdicts: Pass."""
    return max(verdicts, key=lambda verdict: _STRICTNESS[type(verdict)], default=PASS)


def enforce(verdict: Verdict) -> None:
    """Raise the Refusal of a Defer or Refuse; a Pass does nothing."""
    if not isinstance(verdict, Pass):
        raise Refusal(verdict.reply, verdict.reason)


async def evaluate(policies: Iterable[Callable[..., Awaitable[Verdict]]], *about: object) -> Verdict:
    """Return the strictest verdict of the policies. A Refuse ends the evaluation."""
    worst: Verdict = PASS
    for policy in policies:
        verdict = await policy(*about)
        if isinstance(verdict, Refuse):
            return verdict
        worst = strictest((worst, verdict))
    return worst
