"""8BITMIME (RFC 6152): octets above 127 may stand in a content."""

from __future__ import annotations

from mailstack.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.smtp.replies import Refusal, reply

_VALUES = frozenset({"7BIT", "8BITMIME"})
_SYNTAX = reply(501, "5.5.4", "BODY takes 7BIT or 8BITMIME")


def _read(value: str | None, _facts: Facts) -> str:
    # §2: body-value ::= "7BIT" / "8BITMIME", in any case (RFC 5234 §2.3).
    body = (value or "").upper()
    if body not in _VALUES:
        raise Refusal(_SYNTAX)
    return body


EIGHTBITMIME = Extension("8BITMIME", mail={"BODY": Parameter(_read)})
