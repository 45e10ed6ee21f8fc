"""The tests that smtpdfix, pytest-localserver and aiosmtpd publish, run against our drop-ins.

Their archives come from the package index, into a temporary directory; where none can be reached that is a skip.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SMTPDFIX = {
    "__init__": "from mailstack.testing.smtpdfix import *; from mailstack.testing.smtpdfix import __all__",
    "configuration": "from pathlib import Path; from mailstack.testing.smtpdfix.controller import Config, boolean as _strtobool",
    "controller": "from mailstack.testing.smtpdfix.controller import AuthController",
    "event_handler": "from mailstack.testing.smtpdfix.controller import EventHandler",
    "fixture": "from mailstack.testing.smtpdfix.controller import ConfiguredAuthenticator as _Authenticator",
    "handlers": "from mailstack.testing.smtpdfix.smtp import AuthMessage",
    "certs": """
import time
from mailstack.net.certificates import private_ca

def _generate_certs(path, days=365, key_size=2048, separate_key=False):
    files = private_ca(path, "localhost", time.time())
    if not separate_key:
        files.certificate.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    return files.certificate, files.key if separate_key else None
""",
}
"""The names under which their tests look for theirs, led to ours."""

LOCALSERVER = {
    "__init__": "",
    "plugin": "from mailstack.testing.pytest_localserver import smtpserver",
    "smtp": "from mailstack.testing.pytest_localserver import Server",
}

INTERNAL = "looks at a class of theirs from within, by mocks"
NOT_OURS = {
    "tests/test_smtp.py::test_starttls_with_arg": INTERNAL,
    "tests/test_smtp.py::test_starttls_no_context": INTERNAL,
    "tests/test_smtp.py::test_starttls_CancelledError": INTERNAL,
    "tests/test_smtp.py::test_starttls_Exception": INTERNAL,
    "tests/test_fixture.py::TestDefaultAuthenticator::test_verify": "wants NotImplementedError of what works here",
}
"""Tests of smtpdfix that fail here, and why they may."""


def archive(tmp_path: Path, requirement: str) -> Path:
    """The source archive of a package, unpacked."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-binary", requirement.partition("==")[0], "--dest", tmp_path, requirement),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = list(tmp_path.glob("*.tar.gz"))
    if not found:
        pytest.skip(f"{requirement} can't be had from the package index: {run.stderr.strip()[-300:]}")
    with tarfile.open(found[0]) as unpacked:
        unpacked.extractall(tmp_path, filter="data")
    return next(each for each in tmp_path.iterdir() if each.is_dir())


def shim(folder: Path, package: str, modules: dict[str, str]) -> None:
    """In the place of their package one that leads to ours."""
    (folder / package).rename(folder / f"{package}_as_published")
    (folder / package).mkdir()
    for name, source in modules.items():
        (folder / package / f"{name}.py").write_text(source)


def outcomes(folder: Path, *arguments: str) -> dict[str, str]:
    """Of each of their tests."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-q", "-p", "no:cacheprovider", "--override-ini=addopts=", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    told = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) (\S+(?: \S*\])?)", run.stdout, re.MULTILINE)
    assert told, run.stdout[-6000:] + run.stderr[-2000:]
    return {name: outcome for outcome, name in told}


def test_smtpdfix(tmp_path):
    folder = archive(tmp_path, "smtpdfix==0.5.3")
    shim(folder, "smtpdfix", SMTPDFIX)
    found = outcomes(folder, "tests")
    assert {name for name, outcome in found.items() if outcome != "PASSED"} == set(NOT_OURS)
    assert len(found) == 88


def test_pytest_localserver(tmp_path):
    folder = archive(tmp_path, "pytest-localserver==0.10.0.post0")
    shim(folder, "pytest_localserver", LOCALSERVER)
    assert list(outcomes(folder, "tests/test_smtp.py").values()) == ["PASSED"] * 6
