"""A ride: the place behind a letter's final dot, where the next one of its line may have its first commands sent."""

from __future__ import annotations

from mailstack.relay.connections import Connection
from mailstack.smtp.prepared import Prepared


class Ride:
    """States: open, then taken or not (`close`), then lost, given up or passed on: the connection is the taker's."""

    __slots__ = ("_is_given_up", "_is_open", "_is_passed_on", "connection", "letter", "lost")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.letter: Prepared | None = None
        """Whose place it is."""
        self.lost = ""
        """Why nothing comes of it; empty while all is well."""
        self._is_open = True
        self._is_passed_on = False
        self._is_given_up = False

    def take(self, letter: Prepared) -> bool:
        """Have this letter's commands sent; whether they will be."""
        if self._is_open and self.connection.session.ride(letter):
            self._is_open, self.letter = False, letter
            return True
        return False

    def close(self) -> None:
        """The dot goes now: who has not got on does not any more."""
        self._is_open = False

    def pass_on(self) -> None:
        """The letter before was carried, and leaves the connection."""
        self._is_passed_on = True
        self._part()

    def give_up(self) -> None:
        """The letter goes another way."""
        self._is_given_up = True
        self._part()

    def _part(self) -> None:
        if self._is_passed_on and self._is_given_up:
            # Where DATA was said, only hanging up takes it back.
            self.connection.drop()
