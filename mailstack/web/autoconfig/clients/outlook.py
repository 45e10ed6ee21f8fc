"""Microsoft's Outlook: the new one, and the classic one of Server."""

from __future__ import annotations

from mailstack.web.autoconfig.guide import SECURITY_WORDS, ClientAccount, Guide, SetupStep, Trust, protocol_name
from mailstack.web.autoconfig.services import ClientService


def _outlook_server(service: ClientService) -> tuple[tuple[str, str], ...]:
    return (
        ("Server", service.host),
        ("Port", str(service.port)),
        ("Encryption method", SECURITY_WORDS[service.security]),
    )


def write_classic(account: ClientAccount) -> tuple[SetupStep, ...]:
    how = "POP" if account.reading.protocol == "pop3" else "IMAP"
    return (
        SetupStep(
            'File, Add Account. Enter the address, open "Advanced options", tick "Let me set up my account manually",'
            f" then Connect, and choose {how}.",
            (("Address", account.address),),
        ),
        SetupStep(
            'Incoming mail. Leave "Require logon using Secure Password Authentication (SPA)" off.',
            _outlook_server(account.reading),
        ),
        SetupStep("Outgoing mail. Leave SPA off here too.", _outlook_server(account.sending)),
        SetupStep("Next, enter the password, Connect."),
        SetupStep(
            "The outgoing server requires authentication. If a first letter is refused with 530: File, Account Settings,"
            ' the account, Change, More Settings, tab "Outgoing Server".',
            (
                ("My outgoing server (SMTP) requires authentication", "on"),
                ("Use same settings as my incoming mail server", "on"),
            ),
        ),
        SetupStep(
            "If the user name was not taken over, it is the whole address.",
            (("User name", account.address),),
        ),
    )


def write_new(account: ClientAccount) -> tuple[SetupStep, ...]:
    how = "POP" if account.reading.protocol == "pop3" else "IMAP"
    login = (("User name", account.address), ("Password", "that of the account"))
    return (
        SetupStep(
            "The new Outlook has Microsoft's servers fetch and send your letters, and gives them your password. So the"
            " server must be reached from the internet with a certificate that is trusted there; if you would rather"
            " not, take another client.",
        ),
        SetupStep(
            f'Settings, Accounts, Your accounts, Add account. Enter the address, "Choose provider", {how}.',
            (("Address", account.address),),
        ),
        SetupStep(
            f'Press "Show more". {protocol_name(account.reading)} incoming server:', (*_outlook_server(account.reading), *login)
        ),
        SetupStep(
            "SMTP outgoing server. It requires authentication, so fill in user name and password here as well:",
            (*_outlook_server(account.sending), *login),
        ),
        SetupStep("Continue."),
    )


OUTLOOK_NEW = Guide("outlook-new", "Outlook (new, for Windows)", write_new, trust=Trust.PUBLIC)
OUTLOOK_CLASSIC = Guide("outlook-classic", "Outlook (classic)", write_classic, Trust.WINDOWS)
