"""Letter and journey as a test sees them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from mailstack.letter import Letter as AcceptedLetter
from mailstack.letter.address import key_of
from mailstack.letter.delivery import Step
from mailstack.testing.message import ReadableMessage

if TYPE_CHECKING:
    from mailstack.store.journey import Journey as StoredJourney


# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class Letter(ReadableMessage):
    """One submitted letter, or a report written by a server, such as a bounce. Immutable."""

    def __init__(self, number: int, accepted: AcceptedLetter, octets: bytes) -> None:
        super().__init__(octets)
        envelope = accepted.envelope
        self.number: int = number
        """Serial number: a later letter of the same server has a greater one."""
        self.id: str = accepted.id
        """Id, as in the 250 reply; `mailstack journey` and `LocalMailServer.journey` accept it."""
        self.sender: str = "" if envelope.sender is None else str(envelope.sender)
        """Envelope sender; "" is the null reverse-path of bounces and other reports."""
        self.recipients: list[str] = [str(recipient.address) for recipient in envelope.recipients]
        """Envelope recipients, including Bcc."""

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
