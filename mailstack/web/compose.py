"""Composes a letter from the JSON of an HTTP request."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Collection, Sequence
from email.utils import make_msgid

from msgspec import Struct, field

from mailstack.letter import Address, AddressError
from mailstack.letter.compose import Composed, Heading, base64_of, body_of, disposition, file_part
from mailstack.letter.compose import compose as letter_of
from mailstack.letter.header import folded, text_field
from mailstack.letter.trace import date_time
from mailstack.web.http_messages import HttpError

_FIELD_NAME = re.compile(r"[!-9;-~]{1,200}\Z")
_MEDIA_TYPE = re.compile(r"([\w.+-]{1,100})/([\w.+-]{1,100})", re.ASCII)
_RESERVED_FIELDS = {
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
"""Names of header fields that `headers` must not contain."""


class ComposeLimits(Struct, frozen=True):
    """Limits of one letter composed by HTTP; they are checked before it is composed."""

    size: int
    """Maximum octets of the letter: `[submission] max_size`."""
    recipients: int
    """Maximum recipients of the letter: `[submission] max_recipients`."""
    attachments: int = 100
    """Maximum attachments of the letter: `[web] max_attachments`."""
    fields: int = 100
    """Maximum additional header fields, and maximum tags."""
    text: int = 998
    """Maximum octets of a subject, a tag, or the value of a header field (RFC 5322 §2.1.1)."""
    name: int = 255
    """Maximum octets of a display name, a file name, a media type or a Content-ID."""

    @property
    def values(self) -> int:
        """Maximum values of the JSON body of a letter."""
        return 1000 + 20 * (self.recipients + self.attachments + self.fields)

    @property
    def explained(self) -> str:
        """Explanation of `values` for people."""
        return (
            f" A message has at most {self.recipients} recipients ([submission] max_recipients)"
            f" and {self.attachments} attachments ([web] max_attachments)."
        )


class DraftAddress(Struct, frozen=True):
    email: str
    name: str = ""


class DraftAttachment(Struct, frozen=True):
    content: str
    """Content in base64, optionally with a data: prefix."""
    filename: str
    content_type: str = field(name="contenttype", default="")
    content_id: str = field(name="contentid", default="")


class LetterDraft(Struct, frozen=True):
    """Letter as Mailpit's POST /send describes it."""

    author: DraftAddress = field(name="from")
    to: tuple[DraftAddress, ...] | None = None
    cc: tuple[DraftAddress, ...] | None = None
    bcc: tuple[str, ...] | None = None
    reply_to: tuple[DraftAddress, ...] | None = field(name="replyto", default=None)
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: tuple[DraftAttachment, ...] | None = None
    tags: tuple[str, ...] | None = None
    headers: dict[str, str] | None = None


class ComposedLetter(Struct, frozen=True):
    """Composed letter: its envelope and its octets."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes


def compose(draft: LetterDraft, limits: ComposeLimits, now: float) -> ComposedLetter:
    """Compose a letter, in time proportional to its size. Raises HttpError 400, 413 and 422."""
    _check(draft, limits)
    sender, recipients = parse_address(draft.author.email), _recipients_of(draft)
    octets = letter_of(_heading(draft, now), _body(draft))
    if len(octets) > limits.size:
        raise _too_large(limits)
    return ComposedLetter(sender, recipients, octets)


def _check(draft: LetterDraft, limits: ComposeLimits) -> None:
    """Check the limits. Raises HttpError 413 and 422."""
    attachments, headers, tags = draft.attachments or (), draft.headers or {}, draft.tags or ()
    named = [*(draft.to or ()), *(draft.cc or ())]
    reply_to = draft.reply_to or ()
    for what, count, maximum, setting in (
        ("recipients", len(named) + len(draft.bcc or ()), limits.recipients, "[submission] max_recipients"),
        ("Reply-To addresses", len(reply_to), limits.recipients, "[submission] max_recipients"),
        ("attachments", len(attachments), limits.attachments, "[web] max_attachments"),
        ("header fields", len(headers), limits.fields, ""),
        ("tags", len(tags), limits.fields, ""),
    ):
        if count > maximum:
            raise _too_many(what, count, maximum, setting)
    _check_lengths("The subject", [draft.subject], limits.text)
    _check_lengths("A header field", headers.values(), limits.text)
    _check_lengths("A tag", tags, limits.text)
    _check_lengths("A display name", [one.name for one in (draft.author, *named, *reply_to)], limits.name)
    _check_lengths("An attachment's name", [each.filename for each in attachments], limits.name)
    _check_lengths("A media type", [each.content_type for each in attachments], limits.name)
    _check_lengths("A Content-ID", [each.content_id for each in attachments], limits.name)
    if len(draft.text) + len(draft.html) + sum(len(each.content) // 4 * 3 for each in attachments) > limits.size:
        raise _too_large(limits)


def _check_lengths(what: str, texts: Collection[str], limit: int) -> None:
    """Check that no text has more than `limit` octets in UTF-8. Raises HttpError 422."""
    longest = max((len(text) if len(text) > limit else len(text.encode()) for text in texts), default=0)
    if longest > limit:
        raise HttpError(422, f"{what} has {longest} octets; the maximum is {limit}.")


def _too_many(what: str, count: int, limit: int, setting: str) -> HttpError:
    maximum = f"the maximum is {limit}" + (f" ({setting})" if setting else "")
    return HttpError(422, f"The message has {count} {what}; {maximum}.")


def _too_large(limits: ComposeLimits) -> HttpError:
    return HttpError(413, f"The message is too large; the maximum is {limits.size} octets ([submission] max_size).")


def _recipients_of(draft: LetterDraft) -> tuple[str, ...]:
    """Return each recipient once. Raises HttpError 400 for an invalid address, or without any."""
    named = [*(draft.to or ()), *(draft.cc or ())]
    found = dict.fromkeys(
        [*(parse_address(one.email) for one in named), *(parse_address(each) for each in draft.bcc or ())]
    )
    if not found:
        raise HttpError(400, "The message has no recipient: give To, Cc or Bcc")
    return tuple(found)


def _heading(draft: LetterDraft, now: float) -> Heading:
    """Build the header. Raises HttpError 400."""
    more = [text_field("X-Tags", ", ".join(draft.tags))] if draft.tags else []
    for name, value in (draft.headers or {}).items():
        if name.lower() in _RESERVED_FIELDS or (name.lower() == "x-tags" and draft.tags):
            raise HttpError(400, f'cannot overwrite header: "{name[:200]}"')
        if not _FIELD_NAME.match(name):
            raise HttpError(400, f"{name[:60]!r} is not a valid header field name")
        more.append(text_field(name, value))
    domain = Address.parse(parse_address(draft.author.email)).ascii_domain or "localhost"
    return Heading(
        _mailboxes([draft.author])[0],
        _mailboxes(draft.to),
        draft.subject,
        date_time(now),
        make_msgid(domain=domain)[1:-1],
        cc=_mailboxes(draft.cc),
        reply_to=_mailboxes(draft.reply_to),
        more=more,
    )


def _mailboxes(addresses: Sequence[DraftAddress] | None) -> list[tuple[str, str]]:
    """Return names and addresses. Raises HttpError 400."""
    return [(one.name, parse_address(one.email)) for one in addresses or ()]


def _body(draft: LetterDraft) -> Composed:
    """Build the MIME body. Raises HttpError 400."""
    files = draft.attachments or ()
    inline = [_file(each, "inline") for each in files if each.content_id and draft.html]
    attached = [_file(each, "attachment") for each in files if not (each.content_id and draft.html)]
    return body_of(draft.text, draft.html, inline, attached)


def _file(attached: DraftAttachment, position: str) -> Composed:
    """Build the MIME part of an attachment. Raises HttpError 400."""
    content_id = "".join(attached.content_id.split()).removeprefix("<").removesuffix(">")
    fields = disposition(position, " ".join(attached.filename.split()))
    if position == "inline":
        if not content_id.isascii() or not content_id.isprintable():
            raise HttpError(400, f"{content_id[:60]!r} is not a valid Content-ID")
        fields += folded("Content-ID", [f"<{content_id}>"])
    try:
        return file_part(*_media_type(attached), base64_of(attached.content.rpartition(",")[2]), fields)
    except ValueError as error:
        raise HttpError(400, f'error decoding base64 attachment "{attached.filename}": {error}') from None


def _media_type(attached: DraftAttachment) -> tuple[str, str]:
    named = attached.content_type or mimetypes.guess_type(attached.filename)[0] or "application/octet-stream"
    found = _MEDIA_TYPE.match(named)
    # An attached message stays one opaque file.
    if found is None or found[1].lower() in {"message", "multipart"}:
        return "application", "octet-stream"
    return found[1], found[2]


def check_count(recipients: Collection[str], maximum: int) -> None:
    """Check the number of recipients. Raises HttpError 422."""
    if len(recipients) > maximum:
        raise _too_many("recipients", len(recipients), maximum, "[submission] max_recipients")


def parse_address(text: str) -> str:
    """Parse an address. Raises HttpError 400."""
    try:
        return str(Address.parse(text.strip()))
    except AddressError as error:
        raise HttpError(400, f"Invalid address {text[:100]!r}: {error}") from None
