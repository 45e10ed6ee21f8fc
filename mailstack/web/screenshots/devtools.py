"""DevTools protocol: JSON messages of a browser, each ended by a NUL octet."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field


class BadDevToolsMessage(Exception):
    """Octets of a browser that are not a message, or too many; str() is the reason."""


class DevToolsProblem(Struct, frozen=True):
    """Error of a command."""

    message: str = ""


class DevToolsMessage(Struct, frozen=True):
    """Result of a command, or event."""

    id: int = 0
    """Number of the command; 0 for an event."""
    method: str = ""
    """Name of the event."""
    params: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    error: DevToolsProblem | None = None


class DevToolsReader:
    """Splits octets of a browser into messages; each octet is searched once."""

    def __init__(self, max_size: int) -> None:
        """`max_size` is the maximum size of one message in octets."""
        self._max_size = max_size
        self._pending = bytearray()

    def receive(self, octets: bytes) -> list[bytes]:
        """Complete messages, undecoded. Raises BadDevToolsMessage for a message that is too large."""
        first, *others = octets.split(b"\0")
        self._pending += first
        found: list[bytes] = []
        for each in others:
            self._check(len(self._pending))
            found.append(bytes(self._pending))
            self._pending = bytearray(each)
        self._check(len(self._pending))
        return found

    def _check(self, size: int) -> None:
        if size > self._max_size:
            raise BadDevToolsMessage(f"a message of the browser has more than {self._max_size} octets")


def decode_message(octets: bytes) -> DevToolsMessage:
    """Decodes one message. Raises BadDevToolsMessage."""
    try:
        return msgspec.json.decode(octets, type=DevToolsMessage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDevToolsMessage(f"invalid message of the browser: {error}") from None


def encode_command(number: int, method: str, params: dict[str, Any], session: str) -> bytes:
    """Encodes one command; `session` is that of a page, or empty for the browser."""
    command: dict[str, Any] = {"id": number, "method": method, "params": params}
    if session:
        command["sessionId"] = session
    return msgspec.json.encode(command) + b"\0"
