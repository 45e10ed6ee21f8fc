"""A letter as a test looks at it: its envelope as sent, and what it says to people."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from email.message import EmailMessage
from functools import cached_property

from mailstack.letter import Letter as AcceptedLetter
from mailstack.letter.address import key_of
from mailstack.letter.parsed import Link, ParsedLetter, Part, parse


class Attachment:
    """A file in a letter."""

    def __init__(self, part: Part, letter: bytes) -> None:
        self.name: str = part.name
        """Without directories; "" when it has none."""
        self.type: str = part.type
        """Media type in lower case, as "application/pdf"."""
        self.content: bytes = part.octets(letter)
        """Decoded."""

    def __repr__(self) -> str:
        return f"<Attachment {self.name!r} {self.type} {len(self.content)} octets>"


class Letter:
    """One letter that was handed in, or that a server wrote itself, such as a bounce. It never changes."""

    def __init__(self, number: int, accepted: AcceptedLetter, octets: bytes) -> None:
        envelope = accepted.envelope
        self.number: int = number
        """Grows with each letter of its server."""
        self.id: str = accepted.id
        """The one that the 250 reply named; `mailstack journey` and the server's `journey` take it."""
        self.sender: str = "" if envelope.sender is None else str(envelope.sender)
        """Of the envelope, as sent; "" is the null reverse-path of bounces and other reports."""
        self.recipients: list[str] = [str(recipient.address) for recipient in envelope.recipients]
        """Of the envelope, as sent: Bcc among them."""
        self.raw: bytes = octets
        """All its octets, as the server keeps them."""

    @cached_property
    def reading(self) -> ParsedLetter:
        """All that can be read in it; never fails, whatever the octets are."""
        return parse(self.raw)

    @property
    def subject(self) -> str:
        """Decoded; "" when there is none."""
        return self.reading.subject

    @property
    def text(self) -> str:
        """The words of the plain text, or of the HTML where there is no plain text."""
        return self.reading.readable

    @property
    def html(self) -> str:
        """The HTML as written; "" when there is none."""
        return self.reading.html

    @property
    def attachments(self) -> list[Attachment]:
        """The files in it, in order."""
        return [Attachment(part, self.raw) for part in self.reading.attachments]

    def attachment(self, name: str) -> Attachment:
        """The file of this name. Raises LookupError, naming those there are."""
        for attachment in self.attachments:
            if attachment.name == name:
                return attachment
        raise LookupError(f"no attachment {name!r}; there are {[each.name for each in self.attachments]}")

    def links(self, like: str = "") -> list[str]:
        """The addresses of the Web and mailto: that a reader may follow, each once, in order.

        With `like`, a regular expression, those in which it is found.
        """
        followed = [link.url for link in self.reading.links if _may_be_followed(link)]
        return [url for url in followed if re.search(like, url)] if like else followed

    def link(self, like: str = "") -> str:
        """The one link (that is `like` this). Raises LookupError when there is none, or more than one."""
        return _the_one("link", self.links(like), self.links())

    def code(self) -> str:
        """The one-time code that a login or a confirmation asks for. Raises LookupError when none is to be found."""
        if not self.reading.codes:
            raise LookupError(f"no code is in the letter: {self.text[:200]!r}")
        return self.reading.codes[0]

    @cached_property
    def message(self) -> EmailMessage:
        """As Python's `email` package parses it."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def headers(self) -> EmailMessage:
        """Its fields, by name, in any case: `letter.headers["Reply-To"]`."""
        return self.message

    @cached_property
    def senders(self) -> frozenset[str]:
        """The Address.key of whoever it is from: of the envelope, and of From; "" for the null reverse-path."""
        return frozenset(
            [key_of(self.sender) if self.sender else "", *(key_of(one.address) for one in self.reading.authors)]
        )

    def __repr__(self) -> str:
        return f"<Letter {self.id} from {self.sender or '<>'} to {', '.join(self.recipients)}: {self.subject!r}>"


def _may_be_followed(link: Link) -> bool:
    return link.kind != "src"


def _the_one(what: str, found: Sequence[str], all_there: Sequence[str]) -> str:
    if len(found) == 1:
        return found[0]
    raise LookupError(f"{len(found) or 'no'} {what}s fit; there are {list(all_there)}")
