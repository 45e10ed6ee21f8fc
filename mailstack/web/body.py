"""Request body buffer with a size limit and a shared memory budget."""

from __future__ import annotations

from io import BytesIO

from msgspec import Struct

from mailstack.protocols.memory_budget import MemoryBudget

TOO_LARGE = b"413 Content Too Large"
SERVICE_UNAVAILABLE = b"503 Service Unavailable"


class HttpLimits(Struct, frozen=True):
    """Limits of one HTTP connection and its requests."""

    body: int
    """Maximum octets of a request body."""
    request: float
    """Maximum seconds for a whole request, from the connection or the previous response."""
    lifetime: float
    """Maximum seconds for the whole connection."""
    large: int = 0
    """Maximum octets of a body on a route with `is_large`; a value up to `body` means `body`."""
    held: int = 268_435_456
    """Maximum octets of all large bodies in memory together, each without its first `body` octets."""


class RequestBody:
    """Buffer of one request body.

    Until the request is authorized, at most `small` octets are kept.
    """

    def __init__(self, small: int, most: int, room: MemoryBudget) -> None:
        """`small`: octets outside the budget, accepted without a login. `most`: maximum octets of the body."""
        self.octets = BytesIO()
        self.is_large_allowed = False
        """Whether the request is authorized to send more than `small` octets."""
        self.is_dropped = False
        """Whether the body was discarded."""
        self.small = small
        self.most = most
        self._room = room
        self._held = 0
        """Octets of this body that count in the shared budget."""
        self._come = 0

    @property
    def is_large(self) -> bool:
        """Whether more than `small` octets were received."""
        return self._come > self.small

    def take(self, data: bytes) -> bytes:
        """Add the next octets. Return the HTTP status line that rejects them; empty if they were accepted."""
        self._come += len(data)
        if self._come > self.most:
            return TOO_LARGE
        if not self.is_dropped:
            self.octets.write(data)
        return self.count() if self.is_large_allowed else b""

    def allow_large(self) -> bytes:
        """Allow more than `small` octets. Return the HTTP status line of a full budget, else an empty value."""
        self.is_large_allowed = True
        return self.count()

    def count(self) -> bytes:
        """Charge the octets received so far to the budget. Return as `allow_large`."""
        room, more = self._room, 0 if self.is_dropped else max(0, self._come - self.small - self._held)
        if more and room.held + more > room.most:
            # RFC 9110 §15.6.4
            return SERVICE_UNAVAILABLE
        self._held += more
        room.held += more
        return b""

    def drop(self) -> None:
        """Discard the body and release its share of the budget."""
        self._room.held -= self._held
        self._held = 0
        self.octets = BytesIO()
        self.is_dropped = True
