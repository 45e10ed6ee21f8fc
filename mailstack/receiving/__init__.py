"""STATION 1, the MSA: takes letters from our own users, and only from them (RFC 6409)."""

from __future__ import annotations

from mailstack.receiving.submission import SubmissionRules

__all__ = ["SubmissionRules"]
