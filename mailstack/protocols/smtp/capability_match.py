"""What of a letter a host can take, by the extensions that it offers, and how MAIL and RCPT say it there.

Nothing is left out of a letter in silence: a letter that needs what the host lacks is unfit for it, and comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mailstack.letter import Address, Content, Envelope, Recipient
from mailstack.letter.mime.parts import Head, Unconvertible, pieces
from mailstack.letter.time_parameters import BY, HOLDFOR, HOLDUNTIL, PRIORITY, DeliverBy, read_by
from mailstack.letter.verp import XVERP
from mailstack.letter.xtext import in_ascii, xtext
from mailstack.protocols.smtp.commands import SMTPUTF8, Parameters
from mailstack.protocols.smtp.replies import Reply, reply

Extensions = Mapping[str, str]
"""What EHLO was told: keyword in upper case, and what stood behind it."""

NO_UTF8_SENDER = reply(550, "5.6.7", "the sender's address needs SMTPUTF8, which the host does not offer")
NO_UTF8_RECIPIENT = reply(553, "5.6.7", "the address needs SMTPUTF8, which the host does not offer")
NO_UTF8_HEADER = reply(554, "5.6.9", "the header is not ASCII and needs SMTPUTF8, which the host does not offer")

_EXTENSION_OF = {
    BY: "DELIVERBY",
    PRIORITY: "MT-PRIORITY",
    HOLDFOR: "FUTURERELEASE",
    HOLDUNTIL: "FUTURERELEASE",
    XVERP: XVERP,
    SMTPUTF8: SMTPUTF8,
    "REQUIRETLS": "REQUIRETLS",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
}
"""Parameters that go on to the next host, and the extension that each belongs to."""


async def unsupported_recipients(
    extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content
) -> dict[Recipient, Reply]:
    """Who can't be given this letter there, and what the host would have to say to it."""
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
    if (late := _too_late(extensions, envelope)) is not None:
        return late
    # RFC 6531 §3.6. Some clients ask for SMTPUTF8 with every letter, so what counts is what the letter needs.
    if SMTPUTF8 not in extensions:
        if envelope.sender is not None and not envelope.sender.is_ascii:
            return NO_UTF8_SENDER
        if envelope.smtputf8 and not await _has_ascii_heads(content):
            return NO_UTF8_HEADER
    return None


def _too_late(extensions: Extensions, envelope: Envelope) -> Reply | None:
    """RFC 2852 §4.1.4.1: what shall come back in time goes only to a host that promises that, and can."""
    by = _deliver_by(envelope)
    if by is None or not by.returns:
        return None
    if by.seconds <= 0:
        return reply(554, "5.4.7", "the time for delivery has passed")
    if "DELIVERBY" not in extensions:
        return reply(554, "5.4.7", "the letter needs DELIVERBY, which the host does not offer")
    least = extensions["DELIVERBY"].partition(",")[0].strip()
    if least.isdecimal() and int(least[:10]) > by.seconds:
        return reply(554, "5.4.7", f"{by.seconds} seconds are left, the host wants {least[:10]} at least")
    return None


def _deliver_by(envelope: Envelope) -> DeliverBy | None:
    value = dict(envelope.parameters).get(BY) if envelope.parameters else None
    return read_by(value) if value is not None else None


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
    if envelope.parameters and "DELIVERBY" not in extensions:
        parameters = _hearing_of_delays(envelope, recipient)
    if (original := recipient.original) is not None and original.is_ascii and "ORCPT" not in dict(parameters):
        # RFC 3461 §5.2.1: so that reports from there name the address that the sender wrote.
        parameters = (*parameters, ("ORCPT", f"rfc822;{xtext(str(original.in_ascii))}"))
    return line + "".join(_known(extensions, parameters)) if parameters else line


def _hearing_of_delays(envelope: Envelope, recipient: Recipient) -> Parameters:
    """What a host that does not mind the time is asked to report instead, while there is time left (RFC 2852 §4.1.4.2)."""
    by = _deliver_by(envelope)
    if by is None or by.returns or by.seconds <= 0:
        return recipient.parameters
    others = tuple(each for each in recipient.parameters if each[0] != "NOTIFY")
    notify = dict(recipient.parameters).get("NOTIFY", "FAILURE,DELAY")
    if notify.upper() != "NEVER" and "DELAY" not in notify.upper().split(","):
        notify = f"{notify},DELAY"
    return (*others, ("NOTIFY", notify))


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
        if _EXTENSION_OF.get(keyword) in extensions:
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
