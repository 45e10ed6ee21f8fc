"""Makes a letter of what somebody writes by HTTP."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid

from msgspec import Struct, field

from mailstack.letter import Address, AddressError
from mailstack.web.asking import Trouble

_FIELD_NAME = re.compile(r"[!-9;-~]{1,200}\Z")
_MEDIA_TYPE = re.compile(r"([\w.+-]{1,100})/([\w.+-]{1,100})", re.ASCII)
_OURS = {
    "to",
    "from",
    "cc",
    "bcc",
    "reply-to",
    "date",
    "subject",
    "content-type",
    "mime-version",
    "content-transfer-encoding",
}
"""Fields that nobody may set otherwise."""


class Person(Struct, frozen=True):
    email: str
    name: str = ""


class Attached(Struct, frozen=True):
    content: str
    """In base64, behind a data: prefix or not."""
    filename: str
    content_type: str = field(name="contenttype", default="")
    content_id: str = field(name="contentid", default="")


class Sending(Struct, frozen=True):
    """POST /send."""

    author: Person = field(name="from")
    to: tuple[Person, ...] | None = None
    cc: tuple[Person, ...] | None = None
    bcc: tuple[str, ...] | None = None
    reply_to: tuple[Person, ...] | None = field(name="replyto", default=None)
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: tuple[Attached, ...] | None = None
    tags: tuple[str, ...] | None = None
    headers: dict[str, str] | None = None


def recipients_of(sending: Sending) -> tuple[str, ...]:
    """Each once. Raises Trouble 400 for what is no address, and when there is none."""
    named = [*(sending.to or ()), *(sending.cc or ())]
    found = dict.fromkeys([*(checked(one.email) for one in named), *(checked(each) for each in sending.bcc or ())])
    if not found:
        raise Trouble(400, "The message has no recipient: give To, Cc or Bcc")
    return tuple(found)


def compose(sending: Sending, now: float) -> bytes:
    """The octets. Raises Trouble 400."""
    people = [sending.author, *(sending.to or ()), *(sending.cc or ()), *(sending.reply_to or ())]
    letter = EmailMessage(policy=SMTP if all(one.email.isascii() for one in people) else SMTPUTF8)
    try:
        letter["From"] = _mailboxes([sending.author])
        for name, group in (("To", sending.to), ("Cc", sending.cc), ("Reply-To", sending.reply_to)):
            if group:
                letter[name] = _mailboxes(group)
        letter["Subject"] = " ".join(sending.subject.split())
        letter["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
        if sending.tags:
            letter["X-Tags"] = ", ".join(" ".join(each.split()) for each in sending.tags)
        _more_fields(letter, sending)
        if "message-id" not in letter:
            letter["Message-ID"] = make_msgid(domain=sending.author.email.rpartition("@")[2] or "localhost")
        _bodies(letter, sending)
        return letter.as_bytes()
    except (ValueError, IndexError, LookupError, UnicodeError, MessageError) as error:
        raise Trouble(400, f"No letter can be made of that: {error}") from None


def _more_fields(letter: EmailMessage, sending: Sending) -> None:
    for name, value in (sending.headers or {}).items():
        if name.lower() in _OURS or (name.lower() == "x-tags" and sending.tags):
            raise Trouble(400, f'cannot overwrite header: "{name}"')
        if not _FIELD_NAME.match(name):
            raise Trouble(400, f"{name[:60]!r} is no name of a header field")
        letter[name] = " ".join(value.split())


def _bodies(letter: EmailMessage, sending: Sending) -> None:
    letter.set_content(_lines(sending.text))
    target = letter
    if sending.html:
        letter.add_alternative(_lines(sending.html), subtype="html")
        target = letter.get_payload()[-1]  # type: ignore[assignment,index]
    for attached in sending.attachments or ():
        octets, (main, sub) = _octets(attached), _media_type(attached)
        if attached.content_id and sending.html:
            content_id = attached.content_id.strip().removeprefix("<").removesuffix(">")
            target.add_related(
                octets, main, sub, cid=f"<{content_id}>", filename=attached.filename, disposition="inline"
            )
    for attached in sending.attachments or ():
        if not (attached.content_id and sending.html):
            letter.add_attachment(_octets(attached), *_media_type(attached), filename=attached.filename)


def _lines(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _octets(attached: Attached) -> bytes:
    content = attached.content.rpartition(",")[2]
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Trouble(400, f'error decoding base64 attachment "{attached.filename}": {error}') from None


def _media_type(attached: Attached) -> tuple[str, str]:
    named = attached.content_type or mimetypes.guess_type(attached.filename)[0] or "application/octet-stream"
    found = _MEDIA_TYPE.match(named)
    # A letter in a letter is not to be taken apart by us.
    if found is None or found[1].lower() in {"message", "multipart"}:
        return "application", "octet-stream"
    return found[1], found[2]


def _mailboxes(people: Sequence[Person]) -> list[Mailbox]:
    return [Mailbox(" ".join(one.name.split()), addr_spec=checked(one.email)) for one in people]


def checked(text: str) -> str:
    """The address that a text is. Raises Trouble 400."""
    try:
        return str(Address.parse(text.strip()))
    except AddressError as error:
        raise Trouble(400, f"{text[:100]!r} is no address: {error}") from None
