"""A ride: the place behind a letter's final dot, where the next one of its line may have its first commands sent."""

from __future__ import annotations

from mailstack.relay.connections import Connection
from mailstack.smtp.prepared import Prepared


class Ride:
    """States: open, then taken or not (`close`), then lost or given up, or neither: the connection is the taker's."""

    __slots__ = ("_is_open", "connection", "is_given_up", "letter", "lost")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.letter: Prepared | None = None
        """Whose place it is."""
        self.is_given_up = False
        """Whether that one does without, so that nothing can follow what the host was told."""
        self.lost = ""
        """Why nothing comes of it; empty while all is well."""
        self._is_open = True

    def take(self, letter: Prepared) -> bool:
        """Have this letter's commands sent; whether they will be."""
        if self._is_open and self.connection.session.ride(letter):
            self._is_open, self.letter = False, letter
            return True
        return False

    def close(self) -> None:
        """The dot goes now: who has not got on does not any more."""
        self._is_open = False

    def give_up(self) -> None:
        """The letter goes another way, while the one before still waits."""
        self.is_given_up = True
