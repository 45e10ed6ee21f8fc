"""The extensions of SMTP, a file each. A new one is a new file, and its name in OFFERED."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.auth import AUTH
from mailstack.protocols.smtp.extensions.binarymime import BINARYMIME
from mailstack.protocols.smtp.extensions.chunking import CHUNKING
from mailstack.protocols.smtp.extensions.deliverby import DELIVERBY
from mailstack.protocols.smtp.extensions.dsn import DSN
from mailstack.protocols.smtp.extensions.eightbitmime import EIGHTBITMIME
from mailstack.protocols.smtp.extensions.enhancedstatuscodes import ENHANCEDSTATUSCODES
from mailstack.protocols.smtp.extensions.extension import Extension
from mailstack.protocols.smtp.extensions.futurerelease import FUTURERELEASE
from mailstack.protocols.smtp.extensions.limits import LIMITS
from mailstack.protocols.smtp.extensions.mtpriority import MT_PRIORITY
from mailstack.protocols.smtp.extensions.pipelining import PIPELINING
from mailstack.protocols.smtp.extensions.requiretls import REQUIRETLS
from mailstack.protocols.smtp.extensions.size import SIZE
from mailstack.protocols.smtp.extensions.smtputf8 import SMTPUTF8
from mailstack.protocols.smtp.extensions.starttls import STARTTLS
from mailstack.protocols.smtp.extensions.xclient import XCLIENT
from mailstack.protocols.smtp.extensions.xverp import VERP

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
"""In the order in which EHLO is told of them. STARTTLS and AUTH are never the last: gsasl looks for "250-STARTTLS"."""

__all__ = ["OFFERED"]
