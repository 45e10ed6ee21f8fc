"""Clients for a terminal: mutt, and msmtp with mpop."""

from __future__ import annotations

from urllib.parse import quote

from mailstack.web.autoconfig.guide import ClientAccount, Guide, SetupStep, Trust
from mailstack.web.autoconfig.services import ClientService, Security


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
        fetch = "Press G to fetch letters. The password is asked for, unless smtp_pass and pop_pass are set."
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
