"""What stops the start of an office is told before any letter is taken."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from mailstack.config import load
from mailstack.net.tls import private_ca
from mailstack.service import CannotStart, OfficeService
from mailstack.simulation import SimulatedReactor


class Begun:
    """A service that has bound its ports, and why it has not, if so."""

    def __init__(self, folder: Path, relay: str) -> None:
        file = folder / "mailstack.toml"
        file.write_text(f'hostname = "mx.home.test"\ndomains = ["home.test"]\n[relay]\n{relay}\n')
        self.reactor = SimulatedReactor()
        self.failures: list[CannotStart] = []
        host = self.reactor.host("192.0.2.1")
        self.service = OfficeService(host, load(file, {}), io.StringIO(), self.failures.append)
        self.service.privilegedStartService()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A directory with ca.pem, which is a CA's certificate, and odd.pem, which is none."""
    private_ca(tmp_path, "smtp.provider.test", time.time())
    (tmp_path / "odd.pem").write_text("odd")
    return tmp_path


def test_a_ca_file_that_cannot_be_read_stops_the_start(certificates: Path) -> None:
    begun = Begun(certificates, 'ca_file = "odd.pem"')
    (failure,) = begun.failures
    assert "odd.pem: not a file of CA certificates" in str(failure)


def test_other_hosts_are_checked_by_the_configured_ca_file(certificates: Path) -> None:
    begun = Begun(certificates, 'ca_file = "ca.pem"')
    assert begun.failures == []
    assert begun.service._office is not None
    caller = begun.service._office._around.caller
    assert caller._client_tls._ca_file == certificates / "ca.pem"
    begun.reactor.result_of(begun.service.stopService())
