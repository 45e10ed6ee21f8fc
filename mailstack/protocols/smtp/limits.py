"""Limits of an SMTP session, and the delay for clients beyond them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

MIN_RECIPIENTS = 100
"""Recipients that each letter may always have (RFC 5321 §4.5.3.1.8)."""


RECIPIENT_OCTETS = 1024
"""Octets of memory counted for one recipient, with its parameters."""


class LineLimits(Struct, frozen=True):
    """Maximum lengths of lines, in octets with CRLF."""

    command_line: int = 2048
    """Maximum length of a command (RFC 5321 §4.5.3.1.4: 512, and more for each extension with parameters)."""
    auth_line: int = 12288
    """Maximum length of a line of AUTH (RFC 4954 §4), and of any line."""


class SessionLimits(Struct, frozen=True):
    """Limits of one connection; every value is a setting."""

    max_recipients: int = 1000
    """Maximum recipients of one transaction (RFC 5321 §4.5.3.1.8: at least 100)."""
    errors: int = 20
    """Refused commands before 421."""
    junk_commands: int = 100
    """Junk commands since the last letter; each one beyond them is an error. 0 is no limit."""
    auth_failures: int = 5
    """Wrong passwords before 421 (RFC 4954 §9)."""
    command_timeout: float = 300.0
    """Seconds for a whole command (RFC 5321 §4.5.3.2.7)."""
    data_timeout: float = 180.0
    """Seconds between pieces of a content (RFC 5321 §4.5.3.2.5)."""
    header_size: int = 262144
    """Octets of a header section."""
    data_rate: int = 128
    """Minimum average octets a second of a content, after `data_timeout`."""
    busy_timeout: float = 30.0
    """Maximum of the other timeouts, in seconds, while the server is busy."""
    greet_delay: float = 0.0
    """Seconds before the greeting; a client that sends earlier is rejected (RFC 5321 §4.3.1)."""


class ErrorDelay(Protocol):
    """Delay of replies to a client that makes errors, as `mailstack.policy.limits.Tarpit`."""

    async def pause(self, seconds: float) -> None: ...

    async def hold(self, errors: int) -> None:
        """Wait until the reply to the client's error of this number may be sent."""
