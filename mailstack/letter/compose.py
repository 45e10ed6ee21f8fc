"""Composer of new letters: header section and MIME body (RFC 5322 §3.6)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter.fields import folded, mailbox_field, text_field
from mailstack.letter.mime.composition import Composed, multipart, text_part

NamedMailbox = tuple[str, str]
"""Display name, which may be empty, and address."""


class Heading(Struct, frozen=True):
    """Header fields of a new letter."""

    author: NamedMailbox
    """Mailbox of From."""
    to: Sequence[NamedMailbox]
    subject: str
    date: str
    """Date and time in the form of RFC 5322 §3.3."""
    message_id: str
    """Message-ID without its angle brackets."""
    cc: Sequence[NamedMailbox] = ()
    reply_to: Sequence[NamedMailbox] = ()
    more: Sequence[bytes] = ()
    """Further fields, each whole. Such a field replaces the one above that has its name."""

    @property
    def octets(self) -> bytes:
        """The fields in order, without those of the body and the empty line."""
        lists = (("From", (self.author,)), ("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to))
        fields = [mailbox_field(name, mailboxes) for name, mailboxes in lists if mailboxes]
        fields += [
            text_field("Subject", self.subject),
            folded("Date", [self.date]),
            folded("Message-ID", [f"<{self.message_id}>"]),
            b"MIME-Version: 1.0\r\n",
        ]
        replaced = {_name(field) for field in self.more}
        return b"".join([*(field for field in fields if _name(field) not in replaced), *self.more])


def compose(heading: Heading, body: Composed) -> bytes:
    """The octets of a letter, each line ended by CRLF."""
    return b"".join([heading.octets, *body.octets])


def body_of(text: str, html: str = "", inline: Sequence[Composed] = (), attached: Sequence[Composed] = ()) -> Composed:
    """MIME body of a text, its HTML with the files that are shown in it, and attachments (RFC 2046 §5.1)."""
    body = text_part("plain", text)
    if html:
        shown = text_part("html", html)
        body = multipart("alternative", [body, multipart("related", [shown, *inline]) if inline else shown])
    return multipart("mixed", [body, *attached]) if attached else body


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].lower()
