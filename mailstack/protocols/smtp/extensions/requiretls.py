"""REQUIRETLS (RFC 8689): delivery over verified TLS only."""

from __future__ import annotations

from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, reply

_SYNTAX = reply(501, "5.5.4", "REQUIRETLS takes no value")


def _argument(facts: Facts) -> str | None:
    # §2: only under TLS.
    return "" if facts.tls else None


def _read(value: str | None, _facts: Facts) -> str:
    if value is not None:
        raise Refusal(_SYNTAX)
    return ""


REQUIRETLS = Extension("REQUIRETLS", _argument, mail={"REQUIRETLS": Parameter(_read, travels=True)})
