"""FUTURERELEASE (RFC 4865): submitted letters held for a later release."""

from __future__ import annotations

from mailstack.letter.time_parameters import (
    HOLDFOR,
    HOLDUNTIL,
    date_time_text,
    is_held_too_long,
    read_date_time,
    read_seconds,
)
from mailstack.protocols.smtp.commands import Mail
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, IncomingHook, Parameter
from mailstack.protocols.smtp.receiving_rules import Client, ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

_SYNTAX_FOR = reply(501, "5.5.4", "HOLDFOR takes seconds: 1 to 9 digits, not beginning with 0")
_SYNTAX_UNTIL = reply(501, "5.5.4", "HOLDUNTIL takes a date and time such as 2030-01-31T18:00:00Z")
_BEHIND_DEADLINE = reply(501, "5.5.4", "the message would be released after the time of BY")


def _argument(facts: Facts) -> str | None:
    # §3: maximum interval and time; only a submission server offers it (§4.2).
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
    # A past time releases at once: the clock of the client may be slow. Reports need the value (§5.1.2).
    try:
        value = value or ""
        at = read_date_time(value)
    except ValueError:
        raise Refusal(_SYNTAX_UNTIL) from None
    if at > facts.capabilities.since + facts.capabilities.max_hold:
        raise Refusal(_too_late(facts))
    return value


def _too_late(facts: Facts) -> Reply:
    # §4.2: 501 for any invalid time.
    return reply(501, "5.5.4", f"a message is held for {facts.capabilities.max_hold} seconds at most")


class _HoldHook(IncomingHook):
    def accept_mail(self, mail: Mail, rules: ReceivingRules, client: Client, now: float) -> tuple[Mail, Reply | None]:  # noqa: ARG002
        """Raises Refusal for a release after the time of BY (§5.2.2)."""
        if is_held_too_long(dict(mail.parameters), now):
            raise Refusal(_BEHIND_DEADLINE)
        return mail, None


_HOLD_HOOK = _HoldHook()


FUTURERELEASE = Extension(
    "FUTURERELEASE",
    _argument,
    mail={
        HOLDFOR: Parameter(_read_for, travels=True, excludes=HOLDUNTIL),
        HOLDUNTIL: Parameter(_read_until, travels=True, excludes=HOLDFOR),
    },
    incoming={HOLDFOR: _HOLD_HOOK, HOLDUNTIL: _HOLD_HOOK},
)
