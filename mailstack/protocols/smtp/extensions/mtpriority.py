"""MT-PRIORITY (RFC 6710) and the MT-Priority header field (RFC 6758)."""

from __future__ import annotations

from mailstack.letter import Content, Envelope
from mailstack.letter.letter import Prefixed
from mailstack.letter.time_parameters import PRIORITY, read_priority, requested_priority
from mailstack.protocols.smtp.commands import Mail
from mailstack.protocols.smtp.extensions.extension import (
    Extension,
    Extensions,
    Facts,
    IncomingHook,
    OutgoingHook,
    Parameter,
)
from mailstack.protocols.smtp.receiving_rules import Client, ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

_SYNTAX = reply(501, "5.5.4", "MT-PRIORITY takes a whole number from -9 to 9")


class _IncomingPriority(IncomingHook):
    def accept_mail(self, mail: Mail, rules: ReceivingRules, client: Client, now: float) -> tuple[Mail, Reply | None]:  # noqa: ARG002
        """MAIL with the granted priority (§5)."""
        return rules.priorities(client).grant(mail)


class _OutgoingPriority(OutgoingHook):
    def content(self, extensions: Extensions, envelope: Envelope, content: Content) -> Content:
        """RFC 6758 §3.3: a header field carries the priority past a host without MT-PRIORITY."""
        value = requested_priority(envelope)
        if PRIORITY in extensions or value is None:
            return content
        return Prefixed(b"MT-Priority: %d\r\n" % value, content)


def _argument(facts: Facts) -> str | None:
    return "" if facts.capabilities.priorities else None


def _read(value: str | None, _facts: Facts) -> str:
    try:
        return str(read_priority(value or ""))
    except ValueError:
        raise Refusal(_SYNTAX) from None


MT_PRIORITY = Extension(
    PRIORITY,
    _argument,
    mail={PRIORITY: Parameter(_read, travels=True)},
    incoming={PRIORITY: _IncomingPriority()},
    outgoing={PRIORITY: _OutgoingPriority()},
)
