"""SMTP extensions: tables of keywords, hooks and transfers."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from mailstack.protocols.smtp.commands import Mail, Parameters
from mailstack.protocols.smtp.extensions.auth import AUTH
from mailstack.protocols.smtp.extensions.body import BINARYMIME, EIGHTBITMIME
from mailstack.protocols.smtp.extensions.chunking import CHUNKING
from mailstack.protocols.smtp.extensions.deliverby import DELIVERBY
from mailstack.protocols.smtp.extensions.dsn import DSN
from mailstack.protocols.smtp.extensions.extension import Extension, IncomingHook, OutgoingHook, Transfer
from mailstack.protocols.smtp.extensions.futurerelease import FUTURERELEASE
from mailstack.protocols.smtp.extensions.limits import LIMITS
from mailstack.protocols.smtp.extensions.mtpriority import MT_PRIORITY
from mailstack.protocols.smtp.extensions.requiretls import REQUIRETLS
from mailstack.protocols.smtp.extensions.size import SIZE
from mailstack.protocols.smtp.extensions.smtputf8 import SMTPUTF8
from mailstack.protocols.smtp.extensions.starttls import STARTTLS
from mailstack.protocols.smtp.extensions.xclient import XCLIENT
from mailstack.protocols.smtp.extensions.xverp import VERP

ENHANCEDSTATUSCODES = Extension("ENHANCEDSTATUSCODES")
PIPELINING = Extension("PIPELINING")


OFFERED: tuple[Extension, ...] = (
    PIPELINING,
    SIZE,
    STARTTLS,
    AUTH,
    XCLIENT,
    LIMITS,
    DELIVERBY,
    FUTURERELEASE,
    MT_PRIORITY,
    VERP,
    REQUIRETLS,
    ENHANCEDSTATUSCODES,
    EIGHTBITMIME,
    SMTPUTF8,
    DSN,
    CHUNKING,
    BINARYMIME,
)
"""Extensions in the order of the EHLO reply. A new one is a new file, and its name here.

STARTTLS and AUTH are never last: gsasl searches for "250-STARTTLS".
"""

INCOMING_HOOKS: Mapping[str, IncomingHook] = dict(ChainMap(*(dict(extension.incoming) for extension in OFFERED)))
"""Hooks of received letters, by the parameter of MAIL or the value of BODY."""
OUTGOING_HOOKS: Mapping[str, OutgoingHook] = dict(ChainMap(*(dict(extension.outgoing) for extension in OFFERED)))
"""Hooks of sent letters, by the parameter of MAIL."""
TRANSFERS: Mapping[str, Transfer] = dict(ChainMap(*(dict(extension.transfers) for extension in OFFERED)))
"""Transfers of contents that DATA can't carry, by the value of BODY."""
EXTENSION_OF: Mapping[str, str] = {
    name: extension.keyword
    for extension in OFFERED
    for name, parameter in (*extension.mail.items(), *extension.rcpt.items())
    if parameter.travels
}
"""Keyword of the extension of each relayed parameter."""


def incoming_hooks(mail: Mail) -> tuple[IncomingHook, ...]:
    """Hooks of the extensions that a received letter uses, each once."""
    words = (mail.body, *[keyword for keyword, _ in mail.parameters])
    return tuple(dict.fromkeys([hook for word in words if (hook := INCOMING_HOOKS.get(word)) is not None]))


def outgoing_hooks(parameters: Parameters) -> list[OutgoingHook]:
    """Hooks of the extensions that a letter to be sent uses."""
    return [hook for keyword, _ in parameters if (hook := OUTGOING_HOOKS.get(keyword)) is not None]
