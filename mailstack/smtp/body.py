"""Makes a letter fit for what a host offers: as it is where the host takes it, else in other octets, else not at all.

the letter's BODY   the host offers            it goes
------------------  -------------------------  -------------------------------------------
7BIT                anything                   as it is
8BITMIME            8BITMIME                   as it is
8BITMIME            -                          as it is if it is ASCII, else converted
BINARYMIME          CHUNKING and BINARYMIME    as it is, by BDAT
BINARYMIME          8BITMIME                   converted to lines
BINARYMIME          -                          converted to lines of ASCII
"""

from __future__ import annotations

from collections.abc import Container

from msgspec.structs import replace

from mailstack.letter import Content, Envelope
from mailstack.letter.mime import Domain, Unconvertible, convert
from mailstack.smtp.replies import Refusal, reply


async def fit_body(envelope: Envelope, content: Content, offered: Container[str]) -> tuple[Envelope, Content]:
    """The letter as it goes to a host that offers these keywords; BODY says how (RFC 6152 §3, RFC 3030 §3).

    Raises Refusal with 5.6.3 when it can't go.
    """
    body = envelope.body
    if body == "7BIT":
        return envelope, content
    if body == "BINARYMIME" and "CHUNKING" in offered and "BINARYMIME" in offered:
        return envelope, content
    if "8BITMIME" in offered:
        if body == "8BITMIME":
            return envelope, content
        return replace(envelope, body="8BITMIME"), await _converted(content, Domain.EIGHT)
    # Most that is declared 8BITMIME isn't.
    if body == "BINARYMIME" or not await _is_ascii(content):
        content = await _converted(content, Domain.SEVEN)
    return replace(envelope, body="7BIT"), content


async def _converted(content: Content, domain: Domain) -> Content:
    try:
        return await convert(content, domain)
    except Unconvertible as why:
        text = f"only {domain.value} letters are taken there, and this one can't be converted: {why}"
        raise Refusal(reply(554, "5.6.3", text)) from None


async def _is_ascii(content: Content) -> bool:
    async for octets in content.chunks():
        if not octets.isascii():
            return False
    return True
