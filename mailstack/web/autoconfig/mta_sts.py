"""MTA-STS policy of the local domains and its id (RFC 8461)."""

from __future__ import annotations

import hashlib

from mailstack.config import Config

MAX_AGE = 31_557_600
"""Seconds; RFC 8461 §3.2."""


def policy_text(config: Config) -> str:
    """The policy file, its lines ended by CRLF (RFC 8461 §3.2)."""
    settings = config.mta_sts
    hosts = () if settings.mode == "none" else (config.hostname, *settings.mx)
    lines = ["version: STSv1", f"mode: {settings.mode}", *(f"mx: {host}" for host in hosts)]
    lines.append(f"max_age: {min(int(settings.max_age), MAX_AGE)}")
    return "".join(f"{line}\r\n" for line in lines)


def policy_id(config: Config) -> str:
    """The `id` of the TXT record: another one whenever the policy is another (RFC 8461 §3.1)."""
    return hashlib.sha256(policy_text(config).encode()).hexdigest()[:20]
