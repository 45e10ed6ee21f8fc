"""Android: the Gmail app, and K-9 Mail with Thunderbird for Android."""

from __future__ import annotations

from mailstack.web.autoconfig.guide import SECURITY_WORDS, Account, Guide, Step, Trust, kind, server_values
from mailstack.web.autoconfig.services import Service


def _gmail(service: Service, address: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Username", address),
        ("Server", service.host),
        ("Port", str(service.port)),
        ("Security type", SECURITY_WORDS[service.security]),
    )


def write_gmail_app(account: Account) -> tuple[Step, ...]:
    return (
        Step(
            f"The picture at the top, Add another account, Other. Enter the address, then Personal ({kind(account.reading)}),"
            " and the password.",
            (("Address", account.address),),
        ),
        Step("Incoming server settings:", _gmail(account.reading, account.address)),
        Step(
            'Outgoing server settings. "Require sign-in" must be on: this server requires authentication.',
            (("Require sign-in", "on"), *_gmail(account.sending, account.address)),
        ),
    )


def write_k9(account: Account) -> tuple[Step, ...]:
    return (
        Step(
            "Settings, Add account. Enter the address. If the app finds the settings by itself, compare them with those"
            ' below; else choose "Edit configuration" or "Manual setup".',
            (("Address", account.address),),
        ),
        Step(
            f"Incoming server, {kind(account.reading)}:",
            server_values(account.reading, account.address),
        ),
        Step(
            'Outgoing server. "Requires authentication" must be on: this server requires authentication.',
            (("Requires authentication", "on"), *server_values(account.sending, account.address)),
        ),
    )


GMAIL_APP = Guide("gmail-app", "Gmail app (Android)", write_gmail_app, Trust.ANDROID)
K9 = Guide("k9", "K-9 Mail and Thunderbird for Android", write_k9, Trust.ANDROID)
