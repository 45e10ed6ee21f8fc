"""STATION 4, the MX: takes letters from other hosts for our domains, and relays only for whom it may (RFC 5321 §3.6)."""

from __future__ import annotations

from mailstack.exchange.lmtp import LocalHandover
from mailstack.exchange.station import Exchange

__all__ = ["Exchange", "LocalHandover"]
