"""A running dev environment, and the programs that are tried against it."""

from __future__ import annotations

import json
import os
import poplib
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.process import Process

SCRIPTS = Path(__file__).parent / "scripts"
PATIENCE = 120.0

STARTTLS, TLS = "starttls", "tls"


class Environment:
    """The facts of a dev environment, as its first line says them."""

    def __init__(self, process: Process, environ: Mapping[str, str]) -> None:
        self.facts: dict[str, Any] = json.loads(process.line())
        self._environ = environ
        self._trust = ssl.create_default_context(cafile=self.ca_file)

    @property
    def ca_file(self) -> str:
        return str(self.facts["ca_file"])

    def port(self, service: str) -> int:
        return int(self.facts["services"][service]["port"])

    def submission(self, security: str) -> str:
        """The port of submission by STARTTLS or by implicit TLS."""
        return str(self.port("submissions" if security == TLS else "submission"))

    def reading(self, security: str) -> str:
        return str(self.port("pop3s" if security == TLS else "pop3"))

    def mailstack(self, line: str) -> str:
        """What a command says that means this environment."""
        return run(f"{sys.executable} -m mailstack {line}", environ=self._environ)

    def empty(self) -> None:
        """Take everything out of bob's mailbox."""
        self.letters(delete=True)

    def letters(self, *, delete: bool = False) -> list[bytes]:
        """All of bob's letters, with CRLF."""
        reader = poplib.POP3_SSL("localhost", self.port("pop3s"), timeout=20, context=self._trust)
        reader.user("bob")
        reader.pass_("bob")
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
