"""Certificates that are replaced under a running server, in virtual time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mailstack.net.certificate_checks import CertificateWarning
from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.net.client_tls import client_context
from mailstack.net.server_tls import Renewal, ServerContext
from mailstack.sandbox.simulation import SimulatedReactor
from tests.net.handshake import Connection


class Rig:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = self.issue("old.test")
        self.reactor = SimulatedReactor()
        self.context = ServerContext([self.files])
        self.concerns: list[CertificateWarning] = []
        self.issued: list[float] = []
        self.renewal = Renewal(
            self.reactor.host("192.0.2.1"),
            self.context,
            concerns=lambda: self.concerns,
            issue=lambda: self.issued.append(self.reactor.seconds()),
            watch=60,
        )

    def issue(self, name: str) -> CertificateFiles:
        return private_ca(self.directory, name, time.time())

    def shows(self, name: str) -> bool:
        return Connection(client_context(name, verify=True, ca_file=self.files.ca), self.context).good


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_asked_for_it_reads_the_files_again(rig: Rig) -> None:
    """TLS-01."""
    rig.renewal.start()
    rig.reactor.advance(1)
    rig.issue("new.test")
    assert not rig.shows("new.test")
    rig.renewal.reload()
    rig.reactor.advance(1)
    assert rig.shows("new.test")
    rig.renewal.stop()


def test_replaced_files_are_found_once_they_rest(rig: Rig) -> None:
    """TLS-01: an ACME client replaces files, and tells nobody."""
    rig.renewal.start()
    rig.reactor.advance(61)
    rig.issue("new.test")
    rig.reactor.advance(60)
    assert not rig.shows("new.test")
    rig.reactor.advance(60)
    assert rig.shows("new.test")
    rig.renewal.stop()


def test_a_certificate_without_its_key_is_told_and_changes_nothing(rig: Rig, logged: list[str]) -> None:
    """CODE-27: TLS goes on with what was read before."""
    rig.renewal.start()
    rig.reactor.advance(1)
    rig.files.key.unlink()
    rig.reactor.advance(130)
    assert rig.shows("old.test")
    (line,) = [line for line in logged if line.startswith("error")]
    assert str(rig.files.key) in line
    assert "readable by this user" in line
    # Told once, and read again when it is there.
    rig.reactor.advance(600)
    assert len([line for line in logged if line.startswith("error")]) == 1
    rig.files.certificate.unlink()
    rig.issue("new.test")
    rig.reactor.advance(130)
    assert rig.shows("new.test")
    rig.renewal.stop()


def test_concerns_are_told_at_the_start_and_every_day(rig: Rig, logged: list[str]) -> None:
    rig.concerns = [CertificateWarning("it ends soon", grave=False), CertificateWarning("it has ended", grave=True)]
    rig.renewal.start()
    rig.reactor.advance(1)
    assert [line for line in logged if "end" in line] == ["warn it ends soon", "error it has ended"]
    rig.reactor.advance(86400)
    assert len([line for line in logged if "end" in line]) == 4
    assert len(rig.issued) == 2
    rig.renewal.stop()


def test_many_requests_are_one_reading_and_one_more(rig: Rig) -> None:
    for _ in range(10):
        rig.renewal.reload()
    rig.reactor.advance(1)
    assert len(rig.issued) == 2


def test_stopping_what_never_started_does_nothing(rig: Rig) -> None:
    rig.renewal.stop()
