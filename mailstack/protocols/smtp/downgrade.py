"""8BITMIME downgrade: a letter in the octets of a host (RFC 6152 §3).

The octets of a letter decide. The declared BODY counts only where it allows more: a client that declares 7BIT, or
nothing, may send a NUL or octets above 127 all the same. `CR LF NUL . CR LF` is the end of a letter for some hosts.

the letter is               the host offers            it goes
--------------------------  -------------------------  -------------------------------------------
lines of ASCII              anything                   as it is
lines with octets > 127     8BITMIME                   as it is
lines with octets > 127     -                          converted to ASCII
binary: BODY=BINARYMIME,    CHUNKING and BINARYMIME    as it is, by BDAT
  or with a NUL, or with    8BITMIME                   converted to lines
  a bare CR or LF           -                          converted to lines of ASCII
"""

from __future__ import annotations

from collections.abc import Container

from mailstack.letter import Content, Envelope
from mailstack.letter.content import held
from mailstack.protocols.smtp.extensions.binarymime import fit_binary
from mailstack.protocols.smtp.extensions.eightbitmime import declared, fit_eight_bit


async def downgrade_body(envelope: Envelope, content: Content, offered: Container[str]) -> tuple[Envelope, Content]:
    """The letter as it goes to a host that offers these keywords; BODY says how (RFC 6152 §3, RFC 3030 §3).

    Raises Refusal with 5.6.3 when it can't go.
    """
    form = await form_of(envelope.body, content)
    if form == "7BIT":
        return envelope if "8BITMIME" in offered else declared(envelope, "7BIT"), content
    return await _FITS[form](envelope, content, offered)


_FITS = {"8BITMIME": fit_eight_bit, "BINARYMIME": fit_binary}


async def form_of(declared: str, content: Content) -> str:
    """The least BODY that the octets of a content need: "7BIT", "8BITMIME" or "BINARYMIME"."""
    if declared == "BINARYMIME":
        return declared
    octets = held(content)
    if octets is not None:
        return "BINARYMIME" if _is_binary(octets) else "7BIT" if octets.isascii() else "8BITMIME"
    is_ascii, last = True, b""
    async for chunk in content.chunks():
        octets = last + chunk if last else chunk
        # A CR may have its LF in the next chunk.
        last = b"\r" if octets.endswith(b"\r") else b""
        if _is_binary(octets[:-1] if last else octets):
            return "BINARYMIME"
        is_ascii = is_ascii and octets.isascii()
    return "BINARYMIME" if last else "7BIT" if is_ascii else "8BITMIME"


def _is_binary(octets: bytes) -> bool:
    """Whether something in it is not allowed in lines (RFC 2045 §2.8)."""
    unpaired = octets.replace(b"\r\n", b"")
    return b"\0" in octets or b"\n" in unpaired or b"\r" in unpaired
