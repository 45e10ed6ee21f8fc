"""The extensions of SMTP, a file each. A new one is a new file, and its name in OFFERED."""

from __future__ import annotations

from mailstack.smtp.extensions.auth import AUTH
from mailstack.smtp.extensions.binarymime import BINARYMIME
from mailstack.smtp.extensions.chunking import CHUNKING
from mailstack.smtp.extensions.deliverby import DELIVERBY
from mailstack.smtp.extensions.dsn import DSN
from mailstack.smtp.extensions.eightbitmime import EIGHTBITMIME
from mailstack.smtp.extensions.enhancedstatuscodes import ENHANCEDSTATUSCODES
from mailstack.smtp.extensions.extension import Extension
from mailstack.smtp.extensions.futurerelease import FUTURERELEASE
from mailstack.smtp.extensions.limits import LIMITS
from mailstack.smtp.extensions.mtpriority import MT_PRIORITY
from mailstack.smtp.extensions.pipelining import PIPELINING
from mailstack.smtp.extensions.requiretls import REQUIRETLS
from mailstack.smtp.extensions.size import SIZE
from mailstack.smtp.extensions.smtputf8 import SMTPUTF8
from mailstack.smtp.extensions.starttls import STARTTLS
from mailstack.smtp.extensions.xclient import XCLIENT
from mailstack.smtp.extensions.xverp import VERP

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
