"""Values derived from a configuration: worker slot, certificate files, DKIM keys, TLS reports."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from mailstack.config.model import Config
from mailstack.letter import Address
from mailstack.net.certificate_checks import WarningThresholds
from mailstack.net.certificates import CertificateFiles
from mailstack.policy.authentication.dkim import SigningKey
from mailstack.policy.authentication.keys import load_private

MAX_WORKERS = 64


class WorkerSlot(Struct, frozen=True):
    """Number of a worker process, from 1, and the number of workers; a single process has slot 1 of 1."""

    number: int = 1
    count: int = 1
    node: str = ""
    """Node name of a machine that shares the store; empty for a single machine."""

    @property
    def is_primary(self) -> bool:
        """Whether this worker does the work that only one of them may do."""
        return self.number == 1

    def owner(self, server: str) -> str:
        """Return the claim owner, which is the same after a restart."""
        return _owner(self._node_owner(server), self.number) if self.count > 1 else self._node_owner(server)

    def stale_owners(self, server: str) -> list[str]:
        """Return the claim owners of slots that no longer exist, after a change of the number of workers."""
        if not self.is_primary:
            return []
        server = self._node_owner(server)
        if self.count == 1:
            return [_owner(server, number) for number in range(1, MAX_WORKERS + 1)]
        return [server, *(_owner(server, number) for number in range(self.count + 1, MAX_WORKERS + 1))]

    def _node_owner(self, server: str) -> str:
        return f"{server}@{self.node}" if self.node else server

    def share(self, limit: int) -> int:
        """Return the slot's share of a server's limit; the shares of all slots sum to `limit`."""
        return limit // self.count + (self.number <= limit % self.count)


def _owner(server: str, number: int) -> str:
    # "#" is in no host name.
    return f"{server}#{number}"


def tls_reports_enabled(config: Config) -> bool:
    """Return whether TLS reports are sent. "auto": if a DKIM key signs for the domain of their author.

    Receivers must ignore unsigned reports (RFC 8460 §3).
    """
    if config.tls_reports.send != "auto":
        return config.tls_reports.send == "on"
    if not config.domains:
        return False
    author = tls_report_author(config).ascii_domain.lower()
    domains = [domain for key in config.dkim.keys for domain in key.domains or config.domains]
    return any(author == domain or author.endswith(f".{domain}") for domain in domains)


def tls_report_author(config: Config) -> Address:
    return config.tls_reports.author or Address("postmaster", config.domains[0])


def made_by_mailstack(config: Config) -> bool:
    """Whether the first certificate comes from the private CA."""
    return config.tls.certificate is None


def private_ca_directory(config: Config) -> Path:
    return config.data / "tls"


def certificate_files(config: Config) -> list[CertificateFiles]:
    """Certificate files of the server; the first are the default."""
    tls, directory = config.tls, private_ca_directory(config)
    files = [(each.certificate, each.key) for each in tls.certificates]
    pairs = [(tls.certificate or directory / "cert.pem", tls.key or directory / "key.pem"), *files]
    return [CertificateFiles(file, key) for file, key in pairs if file is not None and key is not None]


def warning_thresholds(config: Config) -> WarningThresholds:
    """Remaining lifetimes at which an expiring certificate is logged."""
    return WarningThresholds(config.tls.warn_before, config.tls.urgent_before)


def signing_keys(config: Config) -> tuple[SigningKey, ...]:
    """DKIM keys, read from their files. Raises InvalidKey."""
    return tuple(
        [
            SigningKey(each.selector, load_private(each.file), each.domains or config.domains)
            for each in config.dkim.keys
            if each.file is not None
        ]
    )
