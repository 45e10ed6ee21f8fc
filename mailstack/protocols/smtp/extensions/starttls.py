"""STARTTLS (RFC 3207): the command and its order."""

from __future__ import annotations

from mailstack.protocols.smtp.commands import StartTls
from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Verb
from mailstack.protocols.smtp.order import State, Transition
from mailstack.protocols.smtp.replies import Refusal, reply

_ARGUMENT = reply(501, "5.5.4", "STARTTLS takes no argument")
_UNDER_TLS = reply(503, "5.5.1", "TLS is active already")
_NOT_HERE = reply(502, "5.5.1", "STARTTLS is not offered here")


def _argument(facts: Facts) -> str | None:
    # §4.2: not offered again once TLS is active.
    return "" if facts.capabilities.starttls and not facts.tls else None


def _read(argument: str, facts: Facts) -> StartTls:
    if facts.tls:
        raise Refusal(_UNDER_TLS)
    if not facts.capabilities.starttls or "STARTTLS" in facts.capabilities.withheld:
        raise Refusal(_NOT_HERE)
    if argument:
        raise Refusal(_ARGUMENT)
    return StartTls()


STARTTLS = Extension(
    "STARTTLS", _argument, verbs={"STARTTLS": Verb(_read, {State.READY: Transition(State.TLS, State.READY)})}
)
