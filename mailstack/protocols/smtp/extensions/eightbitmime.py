"""8BITMIME (RFC 6152): octets above 127, and conversion for other hosts."""

from __future__ import annotations

from collections.abc import Callable, Container

from msgspec.structs import replace

from mailstack.letter import Content, Envelope
from mailstack.letter.mime import Domain, Unconvertible, convert
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


async def fit_eight_bit(envelope: Envelope, content: Content, offered: Container[str]) -> tuple[Envelope, Content]:
    """Lines with octets above 127, for a host that offers these keywords. Raises Refusal with 5.6.3."""
    if "8BITMIME" in offered:
        return declared(envelope, "8BITMIME"), content
    return declared(envelope, "7BIT"), await converted(content, Domain.SEVEN)


def declared(envelope: Envelope, body: str) -> Envelope:
    """The envelope with this BODY."""
    return envelope if envelope.body == body else replace(envelope, body=body)


async def converted(content: Content, domain: Domain) -> Content:
    """The content in the octets of `domain`. Raises Refusal with 5.6.3."""
    try:
        return await convert(content, domain)
    except Unconvertible as why:
        text = f"only {domain.value} letters are taken there, and this one can't be converted: {why}"
        raise Refusal(reply(554, "5.6.3", text)) from None


# §2: body-value ::= "7BIT" / "8BITMIME"
EIGHTBITMIME = Extension("8BITMIME", mail={"BODY": Parameter(body_reader("7BIT", "8BITMIME"))})
