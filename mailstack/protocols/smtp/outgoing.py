"""Outgoing transaction: a letter in the extensions and octets of one host (RFC 6152)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from msgspec import Struct

from mailstack.letter import Address, Content, Envelope, Recipient
from mailstack.letter.address import encode_unitext, xtext
from mailstack.letter.letter import octets_in_memory
from mailstack.letter.mime.parts import Head, Unconvertible, pieces
from mailstack.protocols.smtp.commands import SMTPUTF8, Parameters
from mailstack.protocols.smtp.extensions import EXTENSION_OF, TRANSFERS, outgoing_hooks
from mailstack.protocols.smtp.extensions.body import declared, fit_binary, fit_eight_bit
from mailstack.protocols.smtp.extensions.extension import DATA, Extensions, Transfer
from mailstack.protocols.smtp.replies import Refusal, Reply, reply

NO_UTF8_SENDER = reply(550, "5.6.7", "the sender's address needs SMTPUTF8, which the host does not offer")
NO_UTF8_RECIPIENT = reply(553, "5.6.7", "the address needs SMTPUTF8, which the host does not offer")
NO_UTF8_HEADER = reply(554, "5.6.9", "the header is not ASCII and needs SMTPUTF8, which the host does not offer")


async def unsupported_recipients(
    extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content
) -> dict[Recipient, Reply]:
    """Recipients that the host can't serve, each with the refusal that replaces its reply."""
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
        return reply(552, "5.3.4", f"the message has {content.size} octets, the host takes {limit[:20]} at most")
    if envelope.parameters:
        refusals = (hook.refusal(extensions, envelope) for hook in outgoing_hooks(envelope.parameters))
        if (refusal := next(filter(None, refusals), None)) is not None:
            return refusal
    # RFC 6531 §3.6. Some clients send SMTPUTF8 with every letter, so the letter itself decides.
    if SMTPUTF8 not in extensions:
        if envelope.sender is not None and not envelope.sender.is_ascii:
            return NO_UTF8_SENDER
        if envelope.smtputf8 and not await _has_ascii_heads(content):
            return NO_UTF8_HEADER
    return None


def mail_command(extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content) -> str:
    """MAIL with the parameters that the host offers."""
    sender = "" if envelope.sender is None else _path(extensions, envelope.sender)
    line = f"MAIL FROM:<{sender}>"
    if "SIZE" in extensions:
        line += f" SIZE={content.size}"
    if envelope.body != "7BIT":
        line += f" BODY={envelope.body}"
    parameters = envelope.parameters
    if not envelope.smtputf8 and _is_international(extensions, envelope, recipients):
        parameters = (*parameters, (SMTPUTF8, ""))
    return line + "".join(_offered(extensions, parameters)) if parameters else line


def rcpt_command(extensions: Extensions, envelope: Envelope, recipient: Recipient) -> str:
    """RCPT with the parameters that the host offers."""
    line = f"RCPT TO:<{_path(extensions, recipient.address)}>"
    parameters = recipient.parameters
    if envelope.parameters:
        for hook in outgoing_hooks(envelope.parameters):
            parameters = hook.rcpt_parameters(extensions, envelope, recipient, parameters)
    if (original := recipient.original) is not None and original.is_ascii and "ORCPT" not in dict(parameters):
        # RFC 3461 §5.2.1: reports of the host name the address that the sender used.
        parameters = (*parameters, ("ORCPT", f"rfc822;{xtext(str(original.with_a_labels))}"))
    return line + "".join(_offered(extensions, parameters)) if parameters else line


def _is_international(extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient]) -> bool:
    """Whether a letter without SMTPUTF8 needs it because of an alias."""
    if SMTPUTF8 not in extensions:
        return False
    addresses = [recipient.address for recipient in recipients]
    if envelope.sender is not None:
        addresses.append(envelope.sender)
    return not all(address.is_ascii and address.domain.isascii() for address in addresses)


def _path(extensions: Extensions, address: Address) -> str:
    """The address for the host, with A-labels unless it offers SMTPUTF8 (RFC 6531 §3.2)."""
    return str(address if SMTPUTF8 in extensions else address.with_a_labels)


def _offered(extensions: Extensions, parameters: Parameters) -> Iterator[str]:
    """Parameters of the extensions that the host offers (RFC 5321 §4.1.1.11, RFC 3461 §5.2.2)."""
    for keyword, value in parameters:
        if EXTENSION_OF.get(keyword) in extensions:
            written = value if value.isascii() or SMTPUTF8 in extensions else encode_unitext(value)
            yield f" {keyword}={written}" if written else f" {keyword}"


async def _has_ascii_heads(content: Content) -> bool:
    """Whether the header section and the headers of MIME parts are ASCII."""
    try:
        async for piece in pieces(content):
            if isinstance(piece, Head) and not piece.section.isascii():
                return False
    except Unconvertible:
        # Beyond the limit of parts, the previous ones decide.
        pass
    return True


async def downgrade_body(envelope: Envelope, content: Content, offered: Container[str]) -> tuple[Envelope, Content]:
    """Envelope with BODY, and content, for a host that offers these keywords (RFC 6152 §3, RFC 3030 §3).

    Raises Refusal with 5.6.3 for a content that can't be converted.
    """
    form = await form_of(envelope.body, content)
    if form == "7BIT":
        return envelope if "8BITMIME" in offered else declared(envelope, "7BIT"), content
    return await _FITS[form](envelope, content, offered)


_FITS = {"8BITMIME": fit_eight_bit, "BINARYMIME": fit_binary}


async def form_of(declared: str, content: Content) -> str:
    """Minimal BODY for the octets of a content: "7BIT", "8BITMIME" or "BINARYMIME"."""
    if declared == "BINARYMIME":
        return declared
    octets = octets_in_memory(content)
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
    """Whether the octets have a NUL, bare CR or bare LF (RFC 2045 §2.8)."""
    unpaired = octets.replace(b"\r\n", b"")
    return b"\0" in octets or b"\n" in unpaired or b"\r" in unpaired


class OutgoingTransaction(Struct, frozen=True):
    """One transaction, ready to be sent."""

    decided: tuple[Reply | None, ...]
    """Refusal of each recipient without a command; None: RCPT is sent."""
    content: Content
    mail: str = ""
    rcpts: tuple[str, ...] = ()
    """RCPT commands of the recipients without such a refusal. Without any, nothing is sent."""
    transfer: Transfer = DATA

    @property
    def refusals(self) -> list[Reply]:
        """Distinct refusals in `decided`."""
        return list(dict.fromkeys([reply for reply in self.decided if reply is not None]))

    @property
    def commands(self) -> list[str]:
        """MAIL, RCPT and the commands of the transfer, as one group for PIPELINING (RFC 2920 §3.1)."""
        return [self.mail, *self.rcpts, *self.transfer.commands]

    def replies(self, received: Sequence[Reply]) -> tuple[Reply, ...]:
        """Returns the deciding reply for each recipient; `received` has the host's replies."""
        if len(received) == len(self.decided):
            return tuple(received)
        remaining = iter(received)
        return tuple([refusal or next(remaining) for refusal in self.decided])


async def prepare(
    extensions: Extensions, envelope: Envelope, recipients: Sequence[Recipient], content: Content, *, vouch: bool = True
) -> OutgoingTransaction:
    """The transaction of a letter with a host that offers these extensions.

    Without `vouch` MAIL has AUTH=<> (RFC 4954 §5). Errors of reading the content propagate.
    """
    if envelope.parameters:
        for hook in outgoing_hooks(envelope.parameters):
            content = hook.content(extensions, envelope, content)
    unfit = await unsupported_recipients(extensions, envelope, recipients, content)
    fit = [recipient for recipient in recipients if recipient not in unfit] if unfit else recipients
    if fit:
        try:
            envelope, content = await downgrade_body(envelope, content, extensions)
        except Refusal as refusal:
            unfit, fit = {**unfit, **dict.fromkeys(fit, refusal.reply)}, []
    decided = tuple([unfit.get(recipient) for recipient in recipients]) if unfit else (None,) * len(recipients)
    if not fit:
        return OutgoingTransaction(decided, content)
    mail = mail_command(extensions, envelope, fit, content)
    if not vouch:
        mail += " AUTH=<>"
    rcpts = tuple([rcpt_command(extensions, envelope, recipient) for recipient in fit])
    return OutgoingTransaction(decided, content, mail, rcpts, TRANSFERS.get(envelope.body, DATA))
