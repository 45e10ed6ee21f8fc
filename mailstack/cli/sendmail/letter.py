"""Letter preparation for sendmail: line ends, recipients, missing fields."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mailstack.cli.sendmail.options import NOUSER, USAGE, Options, SendmailError
from mailstack.letter import Address, Recipient
from mailstack.letter.address_lists import addresses_in
from mailstack.letter.envelope import Envelope
from mailstack.letter.fields import mailbox_field
from mailstack.letter.header import fields, has, split

MOST_RECIPIENTS = 10_000
_RESENT = (b"resent-to", b"resent-cc", b"resent-bcc")
_TO = (b"to", b"cc", b"bcc")
_LONGEST_ENVID = 100
"""RFC 3461 §4.4."""


class Person(Struct, frozen=True):
    """Calling user."""

    user: str
    """The name on this machine."""
    name: str = ""
    """The full name."""


class Prepared(Struct, frozen=True):
    """What can be submitted."""

    envelope: Envelope
    section: bytes
    """The header section, with the empty line behind it."""
    body: bytes


def lines(octets: bytes, *, dot_ends: bool) -> bytes:
    """The letter with CRLF at the end of each line, up to a line with a dot alone if that ends it."""
    text = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if dot_ends:
        if text.startswith(b".\n") or text == b".":
            text = b""
        end = text.find(b"\n.\n")
        if end >= 0:
            text = text[: end + 1]
        elif text.endswith(b"\n."):
            text = text[:-1]
    # What a mailbox file puts before a letter is no header.
    if text.startswith((b"From ", b">From ")):
        text = text.partition(b"\n")[2]
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text.replace(b"\n", b"\r\n")


def prepare(octets: bytes, options: Options, person: Person, domain: str) -> Prepared:
    """The letter as it may be submitted; `domain` completes names that have none. Raises SendmailError."""
    text = lines(octets, dot_ends=options.dot_ends)
    at = split(text)
    section, body = text[:at], text[at:]
    if not section.endswith(b"\r\n\r\n") and section != b"\r\n":
        section += b"\r\n"
    recipients = _recipients(section, options, domain)
    sender = _sender(options, person, domain)
    if not has(section, b"from"):
        section = _from(options, person, sender, domain) + section
    return Prepared(_envelope(sender, recipients, options, section, body), section, body)


def _recipients(section: bytes, options: Options, domain: str) -> list[Address]:
    named = [address for word in options.recipients for address in _read(word.encode(errors="surrogateescape"), domain)]
    if options.from_header:
        wanted = _RESENT if any(has(section, name) for name in _RESENT) else _TO
        for name, field in fields(section):
            if name in wanted:
                named += _read(field.partition(b":")[2], domain)
    found = list({address.key: address for address in named}.values())
    if not found:
        why = "no recipient in To, Cc or Bcc" if options.from_header else "no recipients; name them, or use -t"
        raise SendmailError(USAGE, why)
    if len(found) > MOST_RECIPIENTS:
        raise SendmailError(USAGE, f"more than {MOST_RECIPIENTS} recipients")
    return found


def _read(octets: bytes, domain: str) -> Sequence[Address]:
    found = addresses_in(octets, domain)
    if found is None:
        raise SendmailError(
            NOUSER, f"not a list of addresses: {octets.decode('utf-8', 'backslashreplace').strip()!r:.200}"
        )
    return found


def _sender(options: Options, person: Person, domain: str) -> Address | None:
    written = person.user if options.sender is None else options.sender.strip()
    if written in {"", "<>"}:
        return None
    found = addresses_in(written.encode(errors="surrogateescape"), domain)
    if found is None or len(found) != 1:
        raise SendmailError(USAGE, f"-f takes an address, and not {written!r:.200}")
    return found[0]


def _from(options: Options, person: Person, sender: Address | None, domain: str) -> bytes:
    """The From field of a letter that has none."""
    name = options.name or person.name
    author = str(sender) if sender is not None else f"{person.user}@{domain}"
    shown = "".join([each for each in name if each.isprintable()])
    return mailbox_field("From", [(shown, author)]) if shown else f"From: <{author}>\r\n".encode()


def _envelope(
    sender: Address | None, recipients: Sequence[Address], options: Options, section: bytes, body: bytes
) -> Envelope:
    parameters: list[tuple[str, str]] = []
    if options.ret:
        parameters.append(("RET", options.ret))
    if options.envid:
        parameters.append(("ENVID", _xtext(options.envid)))
    addresses = (*recipients, sender) if sender is not None else tuple(recipients)
    if any(not address.is_ascii for address in addresses) or _is_utf8(section):
        parameters.append(("SMTPUTF8", ""))
    wishes = (("NOTIFY", options.notify),) if options.notify else ()
    eight_bit = not section.isascii() or not body.isascii()
    return Envelope(
        sender,
        tuple([Recipient(address, None, wishes) for address in recipients]),
        "8BITMIME" if eight_bit else "7BIT",
        tuple(parameters),
    )


def _is_utf8(section: bytes) -> bool:
    """Whether the header has UTF-8 in it (RFC 6532); other octets beyond ASCII are none of our business."""
    if section.isascii():
        return False
    try:
        section.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _xtext(text: str) -> str:
    """RFC 3461 §4. Raises SendmailError."""
    plain = text.isascii() and text.isprintable()
    encoded = "".join([f"+{ord(each):02X}" if each in "+= " else each for each in text])
    if not plain or len(encoded) > _LONGEST_ENVID:
        raise SendmailError(USAGE, f"-V takes at most {_LONGEST_ENVID} printable characters of ASCII")
    return encoded
