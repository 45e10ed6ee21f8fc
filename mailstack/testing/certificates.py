"""Private CA and localhost certificate of this process, made once and deleted at exit."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.testing.reactor_thread import real_seconds

HOST = "mx.home.test"
"""Host name of the certificate, besides localhost, 127.0.0.1 and ::1."""


def key_directory() -> Path:
    """Directory of the files, laid out by `private_ca`."""
    return _directory(os.getpid())


def certificate_files() -> CertificateFiles:
    return private_ca(key_directory(), HOST, real_seconds())


@cache
def combined_file() -> Path:
    """Key, certificate and CA in one PEM file, for servers and clients alike."""
    files = certificate_files()
    assert files.ca is not None, "private_ca makes a CA"
    path = key_directory() / "all.pem"
    path.touch(mode=0o600)
    path.write_bytes(b"".join(file.read_bytes() for file in (files.key, files.certificate, files.ca)))
    return path


@cache
def _directory(process: int) -> Path:
    # One for each process: the parent of a fork deletes its own.
    directory = Path(tempfile.mkdtemp(prefix="mailstack-testing-"))
    atexit.register(_remove, directory, process)
    return directory


def _remove(directory: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)
