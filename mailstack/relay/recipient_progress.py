"""Progress: which recipients of a letter have an outcome, and who is next."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailstack.letter import Outcome
from mailstack.protocols.smtp.replies import Reply
from mailstack.relay.trouble import queued_as, recipient_outcome, too_many_recipients


class Progress:
    """Kept while one host takes a letter in as many goes as it likes."""

    def __init__(self, host: str, recipients: int, most: int) -> None:
        self._host = host
        self._pending = list(range(recipients))
        self._most = most
        self.outcomes: dict[int, Outcome] = {}
        self.remote_id: str | None = None
        self.transactions = 0
        """Transactions that ended."""

    def limit(self, most: int) -> None:
        """What the host says that it takes; 0 when it doesn't say."""
        self._most = min(self._most, most) if most else self._most

    def batch(self) -> list[int]:
        """The numbers of the recipients for the next transaction; empty when all have an outcome."""
        return self._pending[: self._most]

    def settle(self, batch: Sequence[int], replies: Sequence[Reply], extensions: Collection[str]) -> None:
        """Take the replies that decided, of a host that offers `extensions`.

        Recipients beyond the host's limit stay pending if others were taken.
        """
        self.transactions += 1
        taken = len([reply for reply in replies if 200 <= reply.code < 300])
        left: list[int] = []
        for number, reply in zip(batch, replies, strict=True):
            if taken and too_many_recipients(reply):
                left.append(number)
                continue
            self.outcomes[number] = recipient_outcome(self._host, reply, extensions)
            if self.remote_id is None and 200 <= reply.code < 300:
                self.remote_id = queued_as(reply)
        if left:
            self._most = taken
        self._pending = left + self._pending[len(batch) :]
