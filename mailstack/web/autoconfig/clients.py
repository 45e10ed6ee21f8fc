"""Mail client guides: set-up steps of all supported mail clients."""

from __future__ import annotations

from urllib.parse import quote

from mailstack.web.autoconfig.guide import (
    SECURITY_WORDS,
    ClientAccount,
    ClientService,
    Guide,
    Security,
    SetupStep,
    Trust,
    protocol_name,
    server_values,
)


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
            f"Incoming server, {protocol_name(account.reading)}:", server_values(account.reading, account.address)
        ),
        SetupStep(
            'Outgoing server. "Requires authentication" must be on: this server requires authentication.',
            (("Requires authentication", "on"), *server_values(account.sending, account.address)),
        ),
    )


GMAIL_APP = Guide("gmail-app", "Gmail app (Android)", write_gmail_app, Trust.ANDROID)
K9 = Guide("k9", "K-9 Mail and Thunderbird for Android", write_k9, Trust.ANDROID)

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


def _outlook_server(service: ClientService) -> tuple[tuple[str, str], ...]:
    return (
        ("Server", service.host),
        ("Port", str(service.port)),
        ("Encryption method", SECURITY_WORDS[service.security]),
    )


def write_classic(account: ClientAccount) -> tuple[SetupStep, ...]:
    protocol = "POP" if account.reading.protocol == "pop3" else "IMAP"
    return (
        SetupStep(
            'File, Add Account. Enter the address, open "Advanced options", tick "Let me set up my account manually",'
            f" then Connect, and choose {protocol}.",
            (("Address", account.address),),
        ),
        SetupStep(
            'Incoming mail. Leave "Require logon using Secure Password Authentication (SPA)" off.',
            _outlook_server(account.reading),
        ),
        SetupStep("Outgoing mail. Leave SPA off here too.", _outlook_server(account.sending)),
        SetupStep("Next, enter the password, Connect."),
        SetupStep(
            "The outgoing server requires authentication. If a first message is refused with 530: File, Account Settings,"
            ' the account, Change, More Settings, tab "Outgoing Server".',
            (
                ("My outgoing server (SMTP) requires authentication", "on"),
                ("Use same settings as my incoming mail server", "on"),
            ),
        ),
        SetupStep("If the user name was not taken over, it is the whole address.", (("User name", account.address),)),
    )


def write_new(account: ClientAccount) -> tuple[SetupStep, ...]:
    protocol = "POP" if account.reading.protocol == "pop3" else "IMAP"
    login = (("User name", account.address), ("Password", "that of the account"))
    return (
        SetupStep(
            "The new Outlook has Microsoft's servers fetch and send your messages, and gives them your password. So the"
            " server must be reached from the internet with a certificate that is trusted there; if you would rather"
            " not, take another client."
        ),
        SetupStep(
            f'Settings, Accounts, Your accounts, Add account. Enter the address, "Choose provider", {protocol}.',
            (("Address", account.address),),
        ),
        SetupStep(
            f'Press "Show more". {protocol_name(account.reading)} incoming server:',
            (*_outlook_server(account.reading), *login),
        ),
        SetupStep(
            "SMTP outgoing server. It requires authentication, so fill in user name and password here as well:",
            (*_outlook_server(account.sending), *login),
        ),
        SetupStep("Continue."),
    )


OUTLOOK_NEW = Guide("outlook-new", "Outlook (new, for Windows)", write_new, trust=Trust.PUBLIC)
OUTLOOK_CLASSIC = Guide("outlook-classic", "Outlook (classic)", write_classic, Trust.WINDOWS)


def _implicit(service: ClientService) -> bool:
    return service.security is Security.TLS


def write_mutt(account: ClientAccount) -> tuple[SetupStep, ...]:
    sending, reading = account.sending, account.reading
    user = account.address
    lines = [
        "set ssl_force_tls = yes",
        f'set certificate_file = "{account.ca_file}"' if account.ca_file else "",
        f'set from = "{user}"',
        f'set smtp_url = "{"smtps" if _implicit(sending) else "smtp"}://{quote(user, safe="")}@{sending.host}:{sending.port}/"',
        'set smtp_authenticators = "plain"',
    ]
    scheme = {"pop3": "pop", "imap": "imap"}[reading.protocol] + ("s" if _implicit(reading) else "")
    where = f"{scheme}://{reading.host}:{reading.port}/"
    if reading.protocol == "pop3":
        lines += [f'set pop_host = "{where}"', f'set pop_user = "{user}"']
        fetch = "Press G to fetch messages. The password is asked for, unless smtp_pass and pop_pass are set."
    else:
        lines += [f'set folder = "{where}"', 'set spoolfile = "+INBOX"', f'set imap_user = "{user}"']
        fetch = "The password is asked for, unless smtp_pass and imap_pass are set."
    return (
        SetupStep(
            "mutt and neomutt. The user in smtp_url makes them log in, which the server requires:",
            file="~/.muttrc",
            text=_lines(lines),
        ),
        SetupStep(fetch),
    )


def write_msmtp_mpop(account: ClientAccount) -> tuple[SetupStep, ...]:
    trust = account.ca_file or "system"
    name = account.address.rpartition("@")[2]
    secret = f'passwordeval "pass show {account.address}"'
    return (
        SetupStep(
            "msmtp sends. `auth plain` makes it log in, which the server requires. Mode 0600:",
            file="~/.msmtprc",
            text=_lines(
                [
                    f"account {name}",
                    *_terminal_server(account.sending, trust),
                    "auth plain",
                    f"user {account.address}",
                    secret,
                    f"from {account.address}",
                ]
            ),
        ),
        SetupStep(
            "mpop fetches:",
            file="~/.mpoprc",
            text=_lines(
                [
                    f"account {name}",
                    *_terminal_server(account.reading, trust),
                    "auth user",
                    f"user {account.address}",
                    secret,
                    "delivery mbox ~/mbox",
                ]
            ),
        ),
        SetupStep("`passwordeval` is any command that prints the password. Try both:", text=f"msmtp -a {name} --serverinfo\nmpop {name}\n"),
    )  # fmt: skip


def _terminal_server(service: ClientService, trust: str) -> list[str]:
    return [
        f"host {service.host}",
        f"port {service.port}",
        "tls on",
        f"tls_starttls {'off' if _implicit(service) else 'on'}",
        f"tls_trust_file {trust}",
    ]


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines if line)


MUTT = Guide("mutt", "mutt and neomutt", write_mutt, trust=Trust.CONFIGURED)
MSMTP_MPOP = Guide("msmtp+mpop", "msmtp and mpop", write_msmtp_mpop, protocols=("pop3",), trust=Trust.CONFIGURED)


def write(account: ClientAccount) -> tuple[SetupStep, ...]:
    return (
        SetupStep(
            "Account Settings, Account Actions, Add Mail Account. Enter your name, your address and your password.",
            (("Address", account.address),),
        ),
        SetupStep(
            "If Thunderbird finds the settings by itself, compare them with those below. Else choose"
            f' "Configure manually". Incoming server, {protocol_name(account.reading)}:',
            server_values(account.reading, account.address),
        ),
        SetupStep(
            "Outgoing server, SMTP. It requires authentication: the same user name and password as the incoming one.",
            server_values(account.sending, account.address),
        ),
        SetupStep('Press "Done". Thunderbird logs in once to try the settings.'),
    )


THUNDERBIRD = Guide("thunderbird", "Thunderbird", write, trust=Trust.OWN_LIST)

GUIDES = (THUNDERBIRD, OUTLOOK_NEW, OUTLOOK_CLASSIC, APPLE_MAIL, IOS, GMAIL_APP, K9, MUTT, MSMTP_MPOP)
"""Guides of all clients, in the order of display."""

BY_NAME = {guide.name: guide for guide in GUIDES}
