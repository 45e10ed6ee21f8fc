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
    """Maximum seconds for all sessions with one host; less than the lease of the queue."""
    dialogue: int = 400
    """Maximum number of dialogue lines in the journey: the first half and the last half."""
    dialogue_size: int = 32_768
    """Maximum number of characters of these lines."""
    dialogue_size_of_retry: int = 8192
    """Maximum number of characters for an attempt that is not the first, to save disk space."""


class RelayLimits(Struct, frozen=True):
    """Limits and times of one relay, by part."""

    attempt: AttemptLimits = AttemptLimits()
    """Limits of one attempt."""
    hosts: DnsHostLimits = DnsHostLimits()
    """Limits of hosts and addresses from the DNS."""
    connections: ConnectionLimits = ConnectionLimits()
    """Limits and times of connections."""
    backoff: DownLimits = DownLimits()
    """Times for which hosts that are down are not called."""
    timeouts: Timeouts = Timeouts()
    """Timeouts of replies."""
