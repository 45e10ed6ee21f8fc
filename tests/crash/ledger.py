"""What was promised, and what was found: the books that must balance after every crash."""

from __future__ import annotations

import threading
from collections import Counter

from attrs import define, field


@define
class Ledger:
    """Letters by their token, which is the first word of the subject. Used from many threads."""

    acknowledged: dict[str, tuple[str, tuple[str, ...]]] = field(factory=dict)
    """Answered with 250: the id that was told, and the recipients."""
    found: Counter[tuple[str, str]] = field(factory=Counter)
    """(token, mailbox): how often it was taken out of that mailbox, the removal answered with +OK."""
    doubtful: Counter[tuple[str, str]] = field(factory=Counter)
    """The same where QUIT got no answer: it may be gone, or be found once more."""
    _lock: threading.Lock = field(factory=threading.Lock)

    def acknowledge(self, token: str, letter: str, recipients: tuple[str, ...]) -> None:
        with self._lock:
            self.acknowledged[token] = (letter, recipients)

    def take(self, mailbox: str, tokens: list[str], *, answered: bool) -> None:
        with self._lock:
            (self.found if answered else self.doubtful).update((token, mailbox) for token in tokens)

    def lost(self) -> list[tuple[str, str]]:
        """What was promised and is nowhere."""
        wanted = [(token, whom) for token, (_, recipients) in self.acknowledged.items() for whom in recipients]
        return [each for each in wanted if not self.found[each] and not self.doubtful[each]]

    def doubled(self, domain: str) -> list[tuple[str, str]]:
        """What was found more than once in mailboxes of a domain."""
        return [each for each, count in self.found.items() if count > 1 and each[1].endswith(f"@{domain}")]

    def close(self) -> None:
        """What balanced is forgotten, so that a long run stays small."""
        self.acknowledged.clear()
        self.found.clear()
        self.doubtful.clear()
