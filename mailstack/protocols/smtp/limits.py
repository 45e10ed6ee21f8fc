"""Limits of an SMTP session, and the delay for clients beyond them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

FEWEST_RECIPIENTS = 100
"""Recipients that each letter may have, whatever other sessions hold (RFC 5321 §4.5.3.1.8)."""


RECIPIENT = 1024
"""Octets that one takes of the memory, with its parameters, until its letter has come."""


class LineLimits(Struct, frozen=True):
    """Maximum lengths of lines, in octets with CRLF."""

    command_line: int = 2048
    """Maximum length of a command (RFC 5321 §4.5.3.1.4: 512, and more for each extension with parameters)."""
    auth_line: int = 12288
    """Maximum length of a line of AUTH (RFC 4954 §4), and of any line."""


class SessionLimits(Struct, frozen=True):
    """What one connection may do; every value is a setting."""

    max_recipients: int = 1000
    """Maximum recipients of one transaction (RFC 5321 §4.5.3.1.8: at least 100)."""
    errors: int = 20
    """Refused commands before 421."""
    junk_commands: int = 100
    """Commands since the last letter that bring none forward; each one beyond them is an error. 0 is no limit."""
    auth_failures: int = 5
    """Wrong passwords before 421 (RFC 4954 §9)."""
    command_timeout: float = 300.0
    """Seconds for a whole command (RFC 5321 §4.5.3.2.7)."""
    data_timeout: float = 180.0
    """Seconds between pieces of a content (RFC 5321 §4.5.3.2.5)."""
    header_size: int = 262144
    """Octets of a header section."""
    data_rate: int = 128
    """Octets a second that a content must have on the average, once `data_timeout` is over."""
    busy_timeout: float = 30.0
    """Maximum of the other timeouts, in seconds, while the server is busy."""
    greet_delay: float = 0.0
    """Seconds before the greeting; a client that sends in them is no mail host (RFC 5321 §4.3.1)."""


class Toll(Protocol):
    """What errors cost a client: time. `mailstack.policy.limits` is one."""

    async def pause(self, seconds: float) -> None: ...

    async def hold(self, errors: int) -> None:
        """Return when the answer to the client's error of this number may be given."""
