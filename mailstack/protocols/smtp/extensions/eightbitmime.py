"""8BITMIME (RFC 6152): octets above 127 may stand in a content."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.protocols.smtp.extensions.extension import Extension, Facts, Parameter
from mailstack.protocols.smtp.replies import Refusal, reply


def body_reader(*values: str) -> Callable[[str | None, Facts], str]:
    """Reads BODY= in any case (RFC 5234 §2.3); raises Refusal for what is not among the values."""
    syntax = reply(501, "5.5.4", f"BODY takes {', '.join(values[:-1])} or {values[-1]}")

    def read(value: str | None, _facts: Facts) -> str:
        body = (value or "").upper()
        if body not in values:
            raise Refusal(syntax)
        return body

    return read


# §2: body-value ::= "7BIT" / "8BITMIME"
EIGHTBITMIME = Extension("8BITMIME", mail={"BODY": Parameter(body_reader("7BIT", "8BITMIME"))})
