"""Limits of the relay."""

from __future__ import annotations

from msgspec import Struct

from mailstack.protocols.smtp.client_session import Timeouts
from mailstack.relay.host_backoff import DownLimits
from mailstack.relay.hosts import DnsHostLimits
from mailstack.relay.session_opener import ConnectionLimits


class AttemptLimits(Struct, frozen=True):
    """Limits of one attempt."""

    recipients: int = 100
    """Maximum number of recipients of one transaction; every host takes that many (RFC 5321 §4.5.3.1.8)."""
    transactions: int = 50
    """Maximum number of transactions of one attempt, for a host that takes few recipients at a time."""
    seconds: float = 900.0
    """Seconds after which no further host is called."""
    handover: float = 3600.0
    """Seconds that one host may take over the letter, in all its sessions, so that no host holds it, drop by drop, beyond
    the queue's lease.
    """
    dialogue: int = 400
    """Maximum number of lines kept as history: the first half and the last half of them."""
    dialogue_size: int = 32_768
    """Maximum number of characters of these lines, in the same way."""
    dialogue_size_again: int = 8192
    """The same for an attempt that is not the first: else a host fills the disk for days by one letter."""


class RelayLimits(Struct, frozen=True):
    """Limits and times of one relay, by part."""

    attempt: AttemptLimits = AttemptLimits()
    """Limits of one attempt."""
    hosts: DnsHostLimits = DnsHostLimits()
    """Limits of what the DNS names."""
    connections: ConnectionLimits = ConnectionLimits()
    """Limits and times of connections."""
    down: DownLimits = DownLimits()
    """Times for which hosts that are down are not called."""
    timeouts: Timeouts = Timeouts()
    """Times that a host has for its replies."""
