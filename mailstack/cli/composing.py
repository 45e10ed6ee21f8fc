"""Makes a letter's octets from what the command line gives: words and files, or a whole letter."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Sequence
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import SMTP, SMTPUTF8, compat32
from email.utils import formatdate, getaddresses, make_msgid
from pathlib import Path

from mailstack.cli.refusal import Refused
from mailstack.letter import AddressError
from mailstack.letter.address import ascii_domain
from mailstack.letter.header import split

_FIELD_NAME = re.compile(r"[!-9;-~]+\Z")
"""RFC 5322 §3.6.8: ftext."""


def compose(
    sender: str, recipients: Sequence[str], subject: str, body: str, attachments: Iterable[Path], headers: Iterable[str]
) -> bytes:
    """A new letter; raises Refused for a file that can't be read, or a header that isn't one."""
    # RFC 6532: what is not ASCII stands in an address as it is, and nowhere else need it.
    letter = EmailMessage(policy=SMTP if "".join((sender, *recipients)).isascii() else SMTPUTF8)
    letter["From"] = sender
    letter["To"] = ", ".join(recipients)
    letter["Subject"] = subject
    letter["Date"] = formatdate(localtime=True)
    letter["Message-ID"] = make_msgid(domain=_domain(sender))
    for line in headers:
        name, colon, value = line.partition(":")
        if not colon or not _FIELD_NAME.match(name):
            raise Refused(f"--header {line!r} is not NAME: VALUE")
        try:
            del letter[name]
            letter[name] = value.strip()
        except (ValueError, MessageError) as error:
            raise Refused(f"--header {line!r}: {error}") from error
    letter.set_content(body if body.endswith("\n") else body + "\n")
    for file in attachments:
        kind, encoding = mimetypes.guess_type(file.name)
        main, _, sub = (kind if kind and not encoding else "application/octet-stream").partition("/")
        letter.add_attachment(read_file(file), maintype=main, subtype=sub, filename=file.name)
    return letter.as_bytes()


def _domain(sender: str) -> str:
    try:
        return ascii_domain(sender.rpartition("@")[2]) or "localhost"
    except AddressError:
        return "localhost"


def read_file(file: Path) -> bytes:
    """All octets; raises Refused."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def with_crlf(octets: bytes) -> bytes:
    """A letter as it travels: every line ends in CRLF, and an mbox's "From " line is gone."""
    if octets.startswith(b"From "):
        octets = octets.partition(b"\n")[2]
    octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


def header_addresses(octets: bytes, *names: str) -> list[str]:
    """The addresses in some fields of a letter, each once, in order."""
    # The newer policy's parser of addresses raises on some that are broken; names are not needed here.
    header = HeaderParser(policy=compat32).parsestr(octets[: split(octets)].decode("utf-8", "replace"))
    values = [str(value) for name in names for value in header.get_all(name, [])]
    return list(dict.fromkeys(address for _, address in getaddresses(values) if address))
