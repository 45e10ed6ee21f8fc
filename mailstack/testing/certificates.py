"""The private CA of all servers of this process, and a certificate for localhost: made once, forgotten at the end."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.testing import real_time

HOST = "mx.home.test"
"""The name that the certificate is for, beside localhost, 127.0.0.1 and ::1."""


def keys_directory() -> Path:
    """Where they are, as `private_ca` keeps them."""
    return _directory(os.getpid())


def certificate_files() -> CertificateFiles:
    """They themselves."""
    return private_ca(keys_directory(), HOST, real_time.seconds())


@cache
def one_file() -> Path:
    """The key, the certificate and the CA in one file, for who is given one: a server shows it, a client trusts it."""
    files = certificate_files()
    assert files.ca is not None, "a private CA has one"
    path = keys_directory() / "all.pem"
    path.touch(mode=0o600)
    path.write_bytes(b"".join(each.read_bytes() for each in (files.key, files.certificate, files.ca)))
    return path


@cache
def _directory(process: int) -> Path:
    """A fork makes its own, for its parent removes the other."""
    directory = Path(tempfile.mkdtemp(prefix="mailstack-testing-"))
    atexit.register(_forget, directory, process)
    return directory


def _forget(directory: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(directory, ignore_errors=True)
