"""Unsupported options of Mailpit, MailHog and GreenMail, with advice for each.

A key has the names of options, with * for any text, and ends in = where they take a value. An empty text stands for an
option that asks for what is always so.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

_DATA = "use mailstack's own --data DIR, which is a directory"
_STORAGE = "mailstack's storage has no such setting"
_CERTIFICATE = "each service has a certificate of the CA file that is printed at the start"
_FAULTS = "use --faults FILE, or POST /v1/faults"
_TAGS = "letters bring tags in X-Tags and behind the + of an address; PUT /api/v1/tags sets others"
_ROOT = "use a reverse proxy that removes the path"

REMOVED: Mapping[str, Mapping[str, str]] = {
    "mailpit": {
        "database d db-file data-file=": _DATA,
        "disable-wal disable-auto-vacuum": _STORAGE,
        "compression=": _STORAGE,
        "tenant-id=": "give each tenant its own --data DIR",
        "label=": "tell environments apart by their ports or their --data DIR",
        "use-message-dates": "letters are listed by arrival; before: and after: search by date",
        "ignore-duplicate-ids": "every letter is kept; a search for message-id: finds duplicates",
        "log-file=": "redirect standard error with 2>FILE",
        "quiet": "use mailstack's own --quiet",
        "webroot=": _ROOT,
        "*-tls-cert *-tls-key *-ssl-cert *-ssl-key=": _CERTIFICATE,
        "smtp-require-starttls smtp-tls-required smtp-require-tls": "the submission ports require TLS",
        "allow-untrusted-tls": "set SSL_CERT_FILE to a file with the CA to trust",
        "hide-delete-all-button": "a deletion can be undone for a minute",
        "demo demo-mode": "nothing leaves this machine unless a relay is set",
        "enable-spamassassin=": "use mailstack's own --spam-filter spamassassin:HOST:PORT",
        "smtp-ignore-rejected-recipients": "leave --smtp-allowed-recipients out to accept all recipients",
        "smtp-relay-config=": "set MP_SMTP_RELAY_HOST and the other variables of the relay",
        "smtp-relay-fwd-smtp-errors": "the journey of a released letter has the server's reply",
        "smtp-forward-*=": "set MP_SMTP_RELAY_HOST, and --smtp-relay-all or --smtp-relay-matching",
        "chaos-triggers=": "use PUT /api/v1/chaos or --faults FILE",
        "tag t tags-config tags-disable=": _TAGS,
        "tags-title-case tags-username": _TAGS,
        "enable-prometheus=": "GET /api/v1/info has the numbers in JSON",
        "webhook-*=": "read /api/events or /v1/events; mailstack serve has [[webhooks]]",
        "disable-version-check verbose v block-remote-css-and-fonts allow-internal-http-requests": "",
        "disable-link-check-rate-limit disable-http-compression disable-html-check enable-chaos": "",
        "smtp-strict-rfc-headers strict-rfc-headers smtp-disable-rdns smtp-auth-allow-insecure": "",
    },
    "mailhog": {
        "api-host=": "the API is where the pages are: -ui-bind-addr",
        "hostname=": "mailstack serve has hostname in its configuration",
        "storage maildir-path mongo-*=": _DATA,
        "outgoing-smtp=": "use --compat mailpit with MP_SMTP_RELAY_HOST",
        "ui-web-path=": _ROOT,
        "invite-jim": _FAULTS,
        "jim-*=": _FAULTS,
    },
    "greenmail": {
        "sieve.ignore.detail attachments.discard=": "letters are kept whole, and +tags lead to the mailbox",
        "tls.*=": _CERTIFICATE,
        "verbose=": "use mailstack's own --quiet to have no log",
        "startup.timeout=": "",
    },
}


def advice_for(peer: str, name: str) -> tuple[str, bool] | None:
    """Advice for an unsupported option, and whether it takes a value; None for others."""
    for names, advice in REMOVED[peer].items():
        if any(fnmatchcase(name, pattern) for pattern in names.rstrip("=").split()):
            return advice, names.endswith("=")
    return None
