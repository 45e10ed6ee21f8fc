"""Composes a letter from options and files, or reads a complete one."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Sequence
from email.utils import formatdate, make_msgid
from pathlib import Path

from mailstack.cli.output import CommandError
from mailstack.letter import AddressError
from mailstack.letter.address import ascii_domain
from mailstack.letter.address_lists import correspondents, read_address_list
from mailstack.letter.compose import Heading, body_of, disposition, file_part
from mailstack.letter.compose import compose as octets_of
from mailstack.letter.header import fields, mailbox_field, split, text_field

_FIELD_NAME = re.compile(r"[!-9;-~]+\Z")
"""RFC 5322 §3.6.8: ftext."""
_ADDRESSED = {"from", "sender", "reply-to", "to", "cc", "bcc"}
"""Header fields with address lists: only display names are encoded."""


def compose(
    sender: str, recipients: Sequence[str], subject: str, body: str, attachments: Iterable[Path], headers: Iterable[str]
) -> bytes:
    """Composes a new letter. Raises CommandError for an unreadable file or an invalid header field."""
    heading = Heading(
        ("", sender),
        [("", each) for each in recipients],
        subject,
        formatdate(localtime=True),
        make_msgid(domain=_domain(sender))[1:-1],
        more=list(dict(map(_field, headers)).values()),
    )
    files = [
        file_part(*_media_type(file), [read_file(file)], disposition("attachment", file.name)) for file in attachments
    ]
    return octets_of(heading, body_of(body, attached=files))


def _field(line: str) -> tuple[str, bytes]:
    """Name in lower case and octets of a header field. Raises CommandError."""
    name, colon, value = line.partition(":")
    if not colon or not _FIELD_NAME.match(name):
        raise CommandError(f"--header {line!r} is not NAME: VALUE")
    if not value.strip().isprintable():
        raise CommandError(f"--header {line!r}: the value has an unprintable character")
    if name.lower() == "mime-version" or name.lower().startswith("content-"):
        raise CommandError(f"--header {line!r}: {name} describes the body, which this command encodes itself")
    people = read_address_list(value.encode()) if name.lower() in _ADDRESSED else None
    if people is not None and people.is_whole and people.mailboxes:
        return name.lower(), mailbox_field(name, [(each.name, each.address) for each in correspondents(value.encode())])
    return name.lower(), text_field(name, value)


def _media_type(file: Path) -> tuple[str, str]:
    kind, encoding = mimetypes.guess_type(file.name)
    main, _, sub = (kind if kind and not encoding else "application/octet-stream").partition("/")
    return main, sub


def _domain(sender: str) -> str:
    try:
        return ascii_domain(sender.rpartition("@")[2]) or "localhost"
    except AddressError:
        return "localhost"


def read_file(file: Path) -> bytes:
    """All octets of a file. Raises CommandError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def with_crlf(octets: bytes) -> bytes:
    """A letter with CRLF line ends, without the "From " line of an mbox."""
    if octets.startswith(b"From "):
        octets = octets.partition(b"\n")[2]
    octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


def header_addresses(octets: bytes, *names: str) -> list[str]:
    """Addresses in the named header fields, without duplicates, in order."""
    section = list(fields(octets[: split(octets)]))
    bodies = [field.partition(b":")[2] for name in names for each, field in section if each == name.lower().encode()]
    return list(dict.fromkeys(each.address for body in bodies for each in correspondents(body) if each.address))


def is_utf8(section: bytes) -> bool:
    """Whether a header section needs SMTPUTF8: it is UTF-8, and not only ASCII (RFC 6532)."""
    if section.isascii():
        return False
    try:
        section.decode()
    except UnicodeDecodeError:
        return False
    return True
