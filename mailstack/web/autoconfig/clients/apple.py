"""Apple's Mail, on the Mac and on iPhone and iPad."""

from __future__ import annotations

from mailstack.web.autoconfig.guide import ClientAccount, Guide, SetupStep, Trust
from mailstack.web.autoconfig.services import ClientService

_PROFILE = (
    "The short way: open the configuration profile in Safari (the server's web page has a link to it), and install it"
    " in Settings. It has no password in it; you are asked for it."
)


def _kind(account: ClientAccount) -> str:
    return "POP" if account.reading.protocol == "pop3" else "IMAP"


def _login(service: ClientService, address: str) -> tuple[tuple[str, str], ...]:
    return (("Host name", service.host), ("User name", address), ("Password", "that of the account"))


def _connection(service: ClientService) -> tuple[tuple[str, str], ...]:
    return (("Port", str(service.port)), ("Use TLS/SSL", "on"), ("Authentication", "Password"))


def write_mac(account: ClientAccount) -> tuple[SetupStep, ...]:
    return (
        SetupStep(_PROFILE),
        SetupStep(
            "By hand: Mail, Add Account, Other Mail Account. Enter name, address and password, and press Sign In; when"
            f" Mail finds no settings, it asks. Account type: {_kind(account)}.",
            (
                ("Email address", account.address),
                ("User name", account.address),
                ("Incoming mail server", account.reading.host),
                ("Outgoing mail server", account.sending.host),
            ),
        ),
        SetupStep(
            'Mail, Settings, Accounts, the account, Server Settings: turn "Automatically manage connection settings" off'
            " for the incoming server.",
            _connection(account.reading),
        ),
        SetupStep(
            "The same for the outgoing one. It requires authentication: user name and password must stand there too.",
            (("User name", account.address), *_connection(account.sending)),
        ),
    )


def write_ios(account: ClientAccount) -> tuple[SetupStep, ...]:
    return (
        SetupStep(_PROFILE),
        SetupStep(
            "By hand: Settings, Apps, Mail, Mail Accounts, Add Account, Other, Add Mail Account. Enter name, address and"
            f" password, Next, then {_kind(account)}.",
            (("Email", account.address),),
        ),
        SetupStep("Incoming mail server:", _login(account.reading, account.address)),
        SetupStep(
            'Outgoing mail server. It says "optional", but this server requires authentication: fill in all of it.',
            _login(account.sending, account.address),
        ),
        SetupStep(
            "Save. Then open the account again: Advanced, for the incoming server; and SMTP, the primary server, for the"
            " outgoing one. Check there:",
            (
                ("Incoming: Use SSL", "on"),
                ("Incoming: Server port", str(account.reading.port)),
                ("Outgoing: Use SSL", "on"),
                ("Outgoing: Authentication", "Password"),
                ("Outgoing: Server port", str(account.sending.port)),
            ),
        ),
    )


APPLE_MAIL = Guide("apple-mail", "Apple Mail (Mac)", write_mac, Trust.MAC)
IOS = Guide("ios", "iPhone and iPad", write_ios, Trust.IOS)
