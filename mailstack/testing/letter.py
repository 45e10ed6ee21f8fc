"""Letter and journey as a test sees them."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from functools import cached_property
from typing import TYPE_CHECKING

from mailstack.letter import Letter as AcceptedLetter
from mailstack.letter.address import key_of
from mailstack.letter.delivery import Step
from mailstack.letter.parsed import ParsedLetter, Part, parse

if TYPE_CHECKING:
    from mailstack.store.journey import Journey as StoredJourney


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


class Letter:
    """One submitted letter, or a report written by a server, such as a bounce. Immutable."""

    def __init__(self, number: int, accepted: AcceptedLetter, octets: bytes) -> None:
        envelope = accepted.envelope
        self.number: int = number
        """Serial number: a later letter of the same server has a greater one."""
        self.id: str = accepted.id
        """Id, as in the 250 reply; `mailstack journey` and `LocalMailServer.journey` accept it."""
        self.sender: str = "" if envelope.sender is None else str(envelope.sender)
        """Envelope sender; "" is the null reverse-path of bounces and other reports."""
        self.recipients: list[str] = [str(recipient.address) for recipient in envelope.recipients]
        """Envelope recipients, including Bcc."""
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

    @cached_property
    def senders(self) -> frozenset[str]:
        """Sender addresses (Address.key): of the envelope and of From; "" for the null reverse-path."""
        return frozenset(
            [key_of(self.sender) if self.sender else "", *(key_of(author.address) for author in self.parsed.authors)]
        )

    def __repr__(self) -> str:
        return f"<Letter {self.id} from {self.sender or '<>'} to {', '.join(self.recipients)}: {self.subject!r}>"


class Journey:
    """The steps of one letter, oldest first; iterable, and readable when printed."""

    def __init__(self, stored: StoredJourney) -> None:
        self.id: str = stored.asked
        self.steps: tuple[Step, ...] = stored.steps
        """Steps with `step` (the name), `server`, `at` (seconds since 1970) and `facts`."""
        self._stored = stored

    @property
    def names(self) -> list[str]:
        """Names of the steps: "submitted", "routed", "relayed" …; docs/reference/journey.md lists them."""
        return [step.step for step in self.steps]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        from mailstack.store.journey import headline, journey_lines  # noqa: PLC0415 - few tests print one

        return "\n".join([headline(self._stored), *journey_lines(self.steps)])
