"""Android: the Gmail app, and K-9 Mail with Thunderbird for Android."""

from __future__ import annotations

from mailstack.web.autoconfig.guide import (
    SECURITY_WORDS,
    ClientAccount,
    Guide,
    SetupStep,
    Trust,
    protocol_name,
    server_values,
)
from mailstack.web.autoconfig.services import ClientService


def _gmail(service: ClientService, address: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Username", address),
        ("Server", service.host),
        ("Port", str(service.port)),
        ("Security type", SECURITY_WORDS[service.security]),
    )


def write_gmail_app(account: ClientAccount) -> tuple[SetupStep, ...]:
    return (
        SetupStep(
            f"The picture at the top, Add another account, Other. Enter the address, then Personal ({protocol_name(account.reading)}),"
            " and the password.",
            (("Address", account.address),),
        ),
        SetupStep("Incoming server settings:", _gmail(account.reading, account.address)),
        SetupStep(
            'Outgoing server settings. "Require sign-in" must be on: this server requires authentication.',
            (("Require sign-in", "on"), *_gmail(account.sending, account.address)),
        ),
    )


def write_k9(account: ClientAccount) -> tuple[SetupStep, ...]:
    return (
        SetupStep(
            "Settings, Add account. Enter the address. If the app finds the settings by itself, compare them with those"
            ' below; else choose "Edit configuration" or "Manual setup".',
            (("Address", account.address),),
        ),
        SetupStep(
            f"Incoming server, {protocol_name(account.reading)}:",
            server_values(account.reading, account.address),
        ),
        SetupStep(
            'Outgoing server. "Requires authentication" must be on: this server requires authentication.',
            (("Requires authentication", "on"), *server_values(account.sending, account.address)),
        ),
    )


GMAIL_APP = Guide("gmail-app", "Gmail app (Android)", write_gmail_app, Trust.ANDROID)
K9 = Guide("k9", "K-9 Mail and Thunderbird for Android", write_k9, Trust.ANDROID)
