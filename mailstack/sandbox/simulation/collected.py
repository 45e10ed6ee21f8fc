"""Collected letter, as its reader downloaded it."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

from msgspec import Struct


class CollectedLetter(Struct, frozen=True):
    """Letter as its reader downloaded it."""

    octets: bytes

    @property
    def message(self) -> EmailMessage:
        """Letter as a message of Python's `email` package."""
        return email.message_from_bytes(self.octets, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        """Plain text of the letter, with LF as line end; empty without one."""
        part = self.message.get_body(("plain",))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")

    @property
    def return_path(self) -> str:
        """Reverse-path of the envelope; empty for a report."""
        return str(self.message["Return-Path"] or "").strip("<>")

    @property
    def is_report(self) -> bool:
        """Whether the letter is a delivery report (RFC 3464)."""
        return self.message.get_content_type() == "multipart/report"

    def __str__(self) -> str:
        return self.octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
