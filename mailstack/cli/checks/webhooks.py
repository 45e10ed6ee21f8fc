"""Whether the files of webhooks can be used; receivers are not called, `mailstack webhook test` does that."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.cli.checks.finding import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.net.certificates import TlsError
from mailstack.net.client_tls import ClientTls
from mailstack.queue.webhooks.signing import BadSecret
from mailstack.server.wiring.webhooks import secrets_in


def check_webhooks(config: Config) -> Iterator[Finding]:
    """Secrets and CAs."""
    for each in config.webhooks:
        part = f"webhook {each.name}"
        try:
            ClientTls(each.ca_file).check()
            secrets = secrets_in(each.secret_file) if each.secret_file is not None else ()
        except (TlsError, BadSecret, OSError) as trouble:
            file = f"{each.secret_file}: " if isinstance(trouble, BadSecret) else ""
            yield broken(part, f"{file}{trouble}")
            continue
        if each.secret_file is None:
            yield warning(part, "is not signed: its receiver can't know who writes; `mailstack webhook secret` helps")
        elif each.secret_file.stat().st_mode & 0o004:
            yield warning(part, f"everybody on this machine can read {each.secret_file}; chmod o-r it")
        else:
            count = f"{len(secrets)} secret{'s' if len(secrets) > 1 else ''}"
            yield good(part, f"tells {each.url}, signed with {count}; `mailstack webhook test {each.name}` tries it")
