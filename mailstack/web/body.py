"""The body of one request while it comes: how many octets of it may, and which of them count in the room of all."""

from __future__ import annotations

from io import BytesIO

from msgspec import Struct

from mailstack.protocols.memory_budget import MemoryBudget

TOO_LARGE = b"413 Content Too Large"
NO_ROOM = b"503 Service Unavailable"


class Bounds(Struct, frozen=True):
    """Limits of one client's connection and requests."""

    body: int
    """Maximum octets of a request body."""
    request: float
    """Seconds for a whole request, from the connection or the previous answer."""
    lifetime: float
    """Seconds for the whole connection."""
    large: int = 0
    """Maximum octets of a body that may be as large as a letter; at most `body`: the same limit as `body`."""
    held: int = 268_435_456
    """Maximum octets of large bodies, beyond `body` of each, that all clients together may have in memory."""


class Body:
    """What has come. Of a large one no more is kept than any body may have, until its client has been let in."""

    def __init__(self, small: int, most: int, room: MemoryBudget) -> None:
        """Up to `small` octets count nowhere, and anybody may send them; there are never more than `most`."""
        self.octets = BytesIO()
        self.is_let_in = False
        """Whether it may be larger than `small`."""
        self.is_dropped = False
        """Whether nothing of it is kept any more."""
        self.small = small
        self.most = most
        self._room = room
        self._held = 0
        """Octets of ours that are counted in the room of all."""
        self._come = 0

    @property
    def is_large(self) -> bool:
        """Whether as much has come as not everybody may send."""
        return self._come > self.small

    def take(self, data: bytes) -> bytes:
        """Keep the next octets. Else the status of HTTP that refuses them; empty: they are kept, or were to be dropped."""
        self._come += len(data)
        if self._come > self.most:
            return TOO_LARGE
        if not self.is_dropped:
            self.octets.write(data)
        return self.count() if self.is_let_in else b""

    def let_in(self) -> bytes:
        """It may be large. What has come counts from now on; the status that refuses it when there is no room."""
        self.is_let_in = True
        return self.count()

    def count(self) -> bytes:
        """Count what has come."""
        room, more = self._room, 0 if self.is_dropped else max(0, self._come - self.small - self._held)
        if more and room.held + more > room.most:
            # RFC 9110 §15.6.4
            return NO_ROOM
        self._held += more
        room.held += more
        return b""

    def drop(self) -> None:
        """Keep nothing, neither what has come nor what will."""
        self._room.held -= self._held
        self._held = 0
        self.octets = BytesIO()
        self.is_dropped = True
