"""Whether TLS reports are sent, and in whose name: all that a server asks that sends none."""

from __future__ import annotations

from mailstack.config.model import Config
from mailstack.letter import Address


def are_sent(config: Config) -> bool:
    """Whether TLS reports are counted and sent. "auto": where one of our keys signs for the domain that they come from.

    A report that is not signed must not be believed (RFC 8460 §3), so that without a key there is nothing to send.
    """
    if config.tls_reports.send != "auto":
        return config.tls_reports.send == "on"
    if not config.domains:
        return False
    author = author_of(config).ascii_domain.lower()
    domains = [domain for key in config.dkim.keys for domain in key.domains or config.domains]
    return any(author == domain or author.endswith(f".{domain}") for domain in domains)


def author_of(config: Config) -> Address:
    """Who writes them."""
    return config.tls_reports.author or Address("postmaster", config.domains[0])
