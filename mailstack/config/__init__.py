"""Configuration: settings from a TOML file and the environment, checked and frozen."""

from __future__ import annotations

from mailstack.config.load import load
from mailstack.config.mail_sections import (
    AuthenticationSettings,
    DeliverySettings,
    DkimKeySettings,
    DkimSettings,
    ExchangeSettings,
    GreylistSettings,
    LmtpSettings,
    MtaStsSettings,
    PolicySettings,
    RelaySettings,
    RelaySourceSettings,
    ScheduleSettings,
    SubmissionSettings,
    TlsReportsSettings,
    WebhookSettings,
)
from mailstack.config.model import (
    AccountsSettings,
    ClientsSettings,
    Config,
    JourneySettings,
    LimitsSettings,
    ListenSettings,
    LogSettings,
    ScreenshotsSettings,
    TlsSettings,
    WebSettings,
)
from mailstack.config.source import ConfigError, Problem

__all__ = [
    "AccountsSettings",
    "AuthenticationSettings",
    "ClientsSettings",
    "Config",
    "ConfigError",
    "DeliverySettings",
    "DkimKeySettings",
    "DkimSettings",
    "ExchangeSettings",
    "GreylistSettings",
    "JourneySettings",
    "LimitsSettings",
    "ListenSettings",
    "LmtpSettings",
    "LogSettings",
    "MtaStsSettings",
    "PolicySettings",
    "Problem",
    "RelaySettings",
    "RelaySourceSettings",
    "ScheduleSettings",
    "ScreenshotsSettings",
    "SubmissionSettings",
    "TlsReportsSettings",
    "TlsSettings",
    "WebSettings",
    "WebhookSettings",
    "load",
]
