"""MAIL, RCPT and refusals of a letter, by a host's extensions.

Nothing is left out of a letter in silence: a letter that needs what the host lacks is unfit for it, and comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailstack.letter import Address, Content, Envelope, Recipient
from mailstack.letter.mime.parts import Head, Unconvertible, pieces
from mailstack.letter.xtext import in_ascii, xtext
from mailstack.protocols.smtp.commands import SMTPUTF8, Parameters
from mailstack.protocols.smtp.extensions import EXTENSION_OF, outgoing_hooks
from mailstack.protocols.smtp.extensions.hooks import Extensions
from mailstack.protocols.smtp.replies import Reply, reply

NO_UTF8_SENDER = reply(550, "5.6.7", "the sender's address needs SMTPUTF8, which the host does not offer")
NO_UTF8_RECIPIENT = reply(553, "5.6.7", "the address needs SMTPUTF8, which the host does not offer")
NO_UTF8_HEADER = reply(554, "5.6.9", "the header is not ASCII and needs SMTPUTF8, which the host does not offer")


async def unsupported_recipients(
    extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content
) -> dict[Recipient, Reply]:
    """Recipients that the host can't be given, each with the reply that the host would have to give."""
    refusal = await _unfit(extensions, envelope, content)
    if refusal is not None:
        return dict.fromkeys(recipients, refusal)
    if SMTPUTF8 in extensions:
        return {}
    return {recipient: NO_UTF8_RECIPIENT for recipient in recipients if not recipient.address.is_ascii}


async def _unfit(extensions: Extensions, envelope: Envelope, content: Content) -> Reply | None:
    limit = extensions.get("SIZE", "")
    # RFC 1870 §6.1; 0 is no limit (§4).
    if limit.isdecimal() and 0 < int(limit[:20]) < content.size:
        return reply(552, "5.3.4", f"the letter has {content.size} octets, the host takes {limit[:20]} at most")
    if envelope.parameters:
        refusals = (hook.refusal(extensions, envelope) for hook in outgoing_hooks(envelope.parameters))
        if (refusal := next(filter(None, refusals), None)) is not None:
            return refusal
    # RFC 6531 §3.6. Some clients ask for SMTPUTF8 with every letter, so what counts is what the letter needs.
    if SMTPUTF8 not in extensions:
        if envelope.sender is not None and not envelope.sender.is_ascii:
            return NO_UTF8_SENDER
        if envelope.smtputf8 and not await _has_ascii_heads(content):
            return NO_UTF8_HEADER
    return None


def mail_command(extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content) -> str:
    """MAIL, with the parameters that the host knows. BODY is among them when it is that of `smtp.body`."""
    sender = "" if envelope.sender is None else _path(extensions, envelope.sender)
    line = f"MAIL FROM:<{sender}>"
    if "SIZE" in extensions:
        line += f" SIZE={content.size}"
    if envelope.body != "7BIT":
        line += f" BODY={envelope.body}"
    parameters = envelope.parameters
    if not envelope.smtputf8 and _is_international(extensions, envelope, recipients):
        parameters = (*parameters, (SMTPUTF8, ""))
    return line + "".join(_known(extensions, parameters)) if parameters else line


def rcpt_command(extensions: Extensions, envelope: Envelope, recipient: Recipient) -> str:
    """RCPT, with the parameters that the host knows."""
    line = f"RCPT TO:<{_path(extensions, recipient.address)}>"
    parameters = recipient.parameters
    if envelope.parameters:
        for hook in outgoing_hooks(envelope.parameters):
            parameters = hook.rcpt_parameters(extensions, envelope, recipient, parameters)
    if (original := recipient.original) is not None and original.is_ascii and "ORCPT" not in dict(parameters):
        # RFC 3461 §5.2.1: so that reports from there name the address that the sender wrote.
        parameters = (*parameters, ("ORCPT", f"rfc822;{xtext(str(original.in_ascii))}"))
    return line + "".join(_known(extensions, parameters)) if parameters else line


def _is_international(extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient]) -> bool:
    """Whether a letter that came without SMTPUTF8 needs it now, as an alias may lead to such an address."""
    if SMTPUTF8 not in extensions:
        return False
    addresses = [recipient.address for recipient in recipients]
    if envelope.sender is not None:
        addresses.append(envelope.sender)
    return not all(address.is_ascii and address.domain.isascii() for address in addresses)


def _path(extensions: Extensions, address: Address) -> str:
    """The address as that host can read it: it knows the domain by its A-labels in any case (RFC 6531 §3.2)."""
    return str(address if SMTPUTF8 in extensions else address.in_ascii)


def _known(extensions: Extensions, parameters: Parameters) -> Iterator[str]:
    """Those of the extensions that the host offers (RFC 5321 §4.1.1.11; RFC 3461 §5.2.2)."""
    for keyword, value in parameters:
        if EXTENSION_OF.get(keyword) in extensions:
            written = value if value.isascii() or SMTPUTF8 in extensions else in_ascii(value)
            yield f" {keyword}={written}" if written else f" {keyword}"


async def _has_ascii_heads(content: Content) -> bool:
    """Whether the header section and the heads of MIME parts are ASCII; a body in UTF-8 is 8BITMIME's business."""
    try:
        async for piece in pieces(content):
            if isinstance(piece, Head) and not piece.section.isascii():
                return False
    except Unconvertible:
        # It has more parts than are looked at: those that were seen decide.
        return True
    return True
