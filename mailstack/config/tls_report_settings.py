"""TLS report settings: activation and author address."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.letter import Address


def are_sent(config: Config) -> bool:
    """Return whether TLS reports are sent. "auto" means: if a DKIM key signs for their author domain.

    Receivers must ignore unsigned reports (RFC 8460 §3).
    """
    if config.tls_reports.send != "auto":
        return config.tls_reports.send == "on"
    if not config.domains:
        return False
    author = author_of(config).ascii_domain.lower()
    domains = [domain for key in config.dkim.keys for domain in key.domains or config.domains]
    return any(author == domain or author.endswith(f".{domain}") for domain in domains)


def author_of(config: Config) -> Address:
    """Return the From address of TLS reports."""
    return config.tls_reports.author or Address("postmaster", config.domains[0])
