"""Everything that can be set: read once from TOML and the environment, checked whole, then only values."""

from __future__ import annotations

from mailstack.config.errors import ConfigError, Problem
from mailstack.config.load import load
from mailstack.config.model import (
    Accounts,
    Authentication,
    Clients,
    Config,
    Delivery,
    Dkim,
    DkimKey,
    Exchange,
    Greylist,
    Journey,
    Limits,
    Listen,
    Lmtp,
    Log,
    MtaSts,
    Policy,
    Relay,
    Schedule,
    Submission,
    Tls,
    Web,
    Webhook,
)

__all__ = [
    "Accounts",
    "Authentication",
    "Clients",
    "Config",
    "ConfigError",
    "Delivery",
    "Dkim",
    "DkimKey",
    "Exchange",
    "Greylist",
    "Journey",
    "Limits",
    "Listen",
    "Lmtp",
    "Log",
    "MtaSts",
    "Policy",
    "Problem",
    "Relay",
    "Schedule",
    "Submission",
    "Tls",
    "Web",
    "Webhook",
    "load",
]
