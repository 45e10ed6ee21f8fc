"""Commands on a data directory that can't be written, also where the tests run as root."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen
from click.testing import CliRunner

from mailstack.cli import main

NOBODY = 65534


@frozen
class Said:
    """What a command said."""

    exit_code: int
    stdout: str
    stderr: str


@contextlib.contextmanager
def read_only_copy(data: Path) -> Iterator[Path]:
    """A copy that anybody may read, and nobody write; root obeys no modes, and so is not the user of the command."""
    # Not below the directory of the test, which other users can't enter.
    with tempfile.TemporaryDirectory(prefix="mailstack-readonly-") as place:
        copy = Path(place) / "data"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns(".backup-*"))
        for path in (Path(place), copy, *copy.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            yield copy
        finally:
            for path in (Path(place), copy, *copy.rglob("*")):
                path.chmod(0o700)


def as_nobody(*arguments: str) -> Said:
    """A command in a child process that is not root."""
    return in_child(lambda: invoke(arguments))


def in_child(do: Callable[[], Said]) -> Said:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.close(reading)
            if os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            said = do()
            os.write(writing, json.dumps([said.exit_code, said.stdout[-20_000:], said.stderr[-20_000:]]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        octets = file.read()
    os.waitpid(child, 0)
    return Said(*json.loads(octets))


def invoke(arguments: tuple[str, ...]) -> Said:
    result = CliRunner().invoke(main, list(arguments), prog_name="mailstack")
    trouble = repr(result.exception) if result.exception and not isinstance(result.exception, SystemExit) else ""
    return Said(result.exit_code, result.stdout, result.stderr + trouble)
