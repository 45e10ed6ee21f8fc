"""A running dev environment, and the programs that are tried against it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.journeys.dev import DevProcess

SCRIPTS = Path(__file__).parent / "scripts"
PATIENCE = 120.0

STARTTLS, TLS = "starttls", "tls"


class Environment(DevProcess):
    @property
    def ca_file(self) -> str:
        return str(self.facts["ca_file"])

    def submitting(self, security: str) -> str:
        """The port of submission by STARTTLS or by implicit TLS."""
        return str(self.port("submissions" if security == TLS else "submission"))

    def reading(self, security: str) -> str:
        return str(self.port("pop3s" if security == TLS else "pop3"))

    def empty(self) -> None:
        """Take everything out of bob's mailbox."""
        self.letters(delete=True)

    def letters(self, *, delete: bool = False) -> list[bytes]:
        """All of bob's letters, with CRLF."""
        reader = self.reader("bob")
        found = []
        for number in range(1, reader.stat()[0] + 1):
            found.append(b"".join(line + b"\r\n" for line in reader.retr(number)[1]))
            if delete:
                reader.dele(number)
        reader.quit()
        return found


def need(*programs: str) -> None:
    """Skip where one of them is missing; where CI runs, that fails."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def run(line: str, *, environ: Mapping[str, str] | None = None, octets: bytes = b"", status: int = 0) -> str:
    """What the program of a command line said on both its outputs; it must end with `status` (or not with 0, for status -1)."""
    done = subprocess.run(
        shlex.split(line),
        input=octets,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environ or {})},
    )
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == status or (status < 0 and done.returncode), said[-2000:]
    return said
