"""Two simulated hosts, and files of a certificate."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mailstack.net.certificates import CertificateFiles, private_ca
from tests.net.peers import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Dates of certificates are compared with the real time, whatever the simulated one is."""
    return private_ca(tmp_path_factory.mktemp("tls"), "mx.home.test", time.time())
