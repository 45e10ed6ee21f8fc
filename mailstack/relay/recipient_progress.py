"""Progress of one attempt: recipients with and without an outcome."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailstack.letter import Outcome
from mailstack.protocols.smtp.replies import Reply
from mailstack.relay.trouble import queued_as, recipient_outcome, too_many_recipients


class RecipientProgress:
    """Outcomes of the recipients of one letter at one host, over several transactions."""

    def __init__(self, host: str, recipients: int, max_batch: int) -> None:
        self._host = host
        self._pending = list(range(recipients))
        self._max_batch = max_batch
        self.outcomes: dict[int, Outcome] = {}
        self.remote_id: str | None = None
        self.transactions = 0
        """Number of finished transactions."""

    def limit(self, max_recipients: int) -> None:
        """Applies the maximum number of recipients that the host announces; 0: none."""
        self._max_batch = min(self._max_batch, max_recipients) if max_recipients else self._max_batch

    def batch(self) -> list[int]:
        """Numbers of the recipients for the next transaction; empty if all have an outcome."""
        return self._pending[: self._max_batch]

    def settle(self, batch: Sequence[int], replies: Sequence[Reply], extensions: Collection[str]) -> None:
        """Applies the final replies of a host with these extensions.

        Recipients beyond the limit of the host stay pending if others were accepted.
        """
        self.transactions += 1
        accepted = len([reply for reply in replies if 200 <= reply.code < 300])
        left: list[int] = []
        for number, reply in zip(batch, replies, strict=True):
            if accepted and too_many_recipients(reply):
                left.append(number)
                continue
            self.outcomes[number] = recipient_outcome(self._host, reply, extensions)
            if self.remote_id is None and 200 <= reply.code < 300:
                self.remote_id = queued_as(reply)
        if left:
            self._max_batch = accepted
        self._pending = left + self._pending[len(batch) :]
