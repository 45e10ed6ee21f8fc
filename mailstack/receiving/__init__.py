"""Receiving services: submission (RFC 6409), MX on port 25 (RFC 5321), LMTP (RFC 2033)."""

from __future__ import annotations

from mailstack.receiving.submission import SubmissionRules

__all__ = ["SubmissionRules"]
