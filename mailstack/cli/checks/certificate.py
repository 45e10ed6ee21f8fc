"""Whether the certificates are ones that clients will accept."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mailstack.cli.checks.finding import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.config.key_files import identities, made_here, own_directory, patience
from mailstack.net.certificate_checks import concerns, covers, dates
from mailstack.net.certificates import CertificateFiles, TlsError, covered_names, read_identity
from mailstack.server.wiring.certificates import server_context
from mailstack.web.autoconfig.records import WEB_LABELS

PART = "certificate"


def check_certificate(config: Config, now: float | None = None) -> Iterator[Finding]:
    """The configured certificates, or the one that was made here; `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    shown, ours = identities(config), own_directory(config)
    if made_here(config) and not shown[0].certificate.exists():
        yield good(PART, f"none is set: a private CA and a certificate are made in {ours} at the start")
        return
    try:
        server_context(config)
        found = concerns(shown, config.hostname, now, patience(config))
    except TlsError as error:
        yield broken(PART, str(error))
        return
    for files in shown:
        yield from _about(files, config, now)
    for concern in found:
        yield (broken if concern.grave else warning)(PART, concern.text)
    if missing := _not_covered(shown, config):
        yield warning(PART, f"no certificate names {', '.join(missing)}, so that those who call it refuse to come in")
    if made_here(config):
        yield warning(PART, f"it was made here: clients must be told to trust {ours / 'ca.pem'}")


def _not_covered(shown: list[CertificateFiles], config: Config) -> list[str]:
    """What is called beside our own name: by clients, and for what the web service has."""
    names = [name for files in shown for name in covered_names(read_identity(files.certificate, files.key)[0][0])]
    called: list[str] = [config.clients.host] if config.clients.host else []
    if config.listen.https:
        called += [f"{label}.{domain}" for domain in config.domains for label in WEB_LABELS]
    return [name for name in called if not covers(names, name)]


def _about(files: CertificateFiles, config: Config, now: float) -> Iterator[Finding]:
    leaf = read_identity(files.certificate, files.key)[0][0]
    if not any(dates(files.certificate, leaf, now, patience(config))):
        yield good(PART, f"{files.certificate} is valid until {leaf.not_valid_after_utc:%Y-%m-%d}")
    if files.key.stat().st_mode & 0o004:
        yield warning(PART, f"everybody on this machine can read {files.key}; chmod o-r it")
