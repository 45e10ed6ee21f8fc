"""Message of a test: its text, links, codes and attachments."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from functools import cached_property

from mailstack.letter.parsed import ParsedLetter, Part, parse

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class Attachment:
    """A file attached to a letter."""

    def __init__(self, part: Part, letter: bytes) -> None:
        self.name: str = part.name
        """File name without directories; "" if it has none."""
        self.type: str = part.type
        """Media type in lower case, such as "application/pdf"."""
        self.content: bytes = part.octets(letter)
        """Decoded octets."""

    def __repr__(self) -> str:
        return f"<Attachment {self.name!r} {self.type} {len(self.content)} octets>"


class ReadableMessage:
    """Octets of a message, read in the ways of a test. Immutable."""

    def __init__(self, octets: bytes) -> None:
        self.raw: bytes = octets
        """All octets, as stored."""

    @cached_property
    def parsed(self) -> ParsedLetter:
        """The parsed message: people, parts, dates. Never fails, also for malformed octets."""
        return parse(self.raw)

    @property
    def subject(self) -> str:
        """Decoded subject; "" if there is none."""
        return self.parsed.subject

    @property
    def text(self) -> str:
        """The plain text, or the text of the HTML if there is no plain text."""
        return self.parsed.readable

    @property
    def html(self) -> str:
        """The HTML source; "" if there is none."""
        return self.parsed.html

    @property
    def attachments(self) -> list[Attachment]:
        """Attached files, in order."""
        return [Attachment(part, self.raw) for part in self.parsed.attachments]

    def attachment(self, name: str) -> Attachment:
        """The file with this name. Raises LookupError, with the names that exist."""
        for attachment in self.attachments:
            if attachment.name == name:
                return attachment
        raise LookupError(f"no attachment {name!r}; the message has {[each.name for each in self.attachments]}")

    def links(self, like: str = "") -> list[str]:
        """URLs that a reader can follow (http:, https:, mailto:), without duplicates, in order.

        `like` is a regular expression that must be found in them.
        """
        urls = [link.url for link in self.parsed.links if link.kind != "src"]
        return [url for url in urls if re.search(like, url)] if like else urls

    def link(self, like: str = "") -> str:
        """The only link that matches `like`. Raises LookupError if there is none, or more than one."""
        links = self.links(like)
        if len(links) != 1:
            raise LookupError(f"{len(links) or 'no'} links match; the message has {self.links()}")
        return links[0]

    def code(self) -> str:
        """The one-time code for a login or confirmation. Raises LookupError if there is none."""
        codes = self.codes()
        if not codes:
            raise LookupError(f"the message has no one-time code: {self.text[:200]!r}")
        return codes[0]

    def codes(self) -> list[str]:
        """All one-time codes, the likeliest first; at most ten."""
        return list(self.parsed.codes)

    @cached_property
    def message(self) -> EmailMessage:
        """The message as parsed by Python's `email` package."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def headers(self) -> EmailMessage:
        """The header, by case-insensitive field name: `letter.headers["Reply-To"]`."""
        return self.message
