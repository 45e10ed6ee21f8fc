"""Registry of the running dev environments of this user."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

DEFAULT_SUBMISSION_PORT = 1587


class Running(Struct, frozen=True):
    """One dev environment as it described itself."""

    pid: int
    data: Path
    """Data directory of the environment."""
    facts: Mapping[str, Any]
    """Output of `mailstack dev --json` (`services`, `accounts`, `ca_file` …), and `domains`."""
    folder: Path = Path()
    """Working directory at its start."""

    def has_default_ports(self) -> bool:
        """Whether the environment listens on the ports of `mailstack dev` without options."""
        service = self.facts.get("services", {}).get("submission", {})
        return bool(service.get("port") == DEFAULT_SUBMISSION_PORT)


class RegistryError(Exception):
    """The directory of the list cannot be trusted or written; str() is the problem and the remedy."""


def register(data: Path, facts: Mapping[str, Any]) -> Path:
    """Adds this process to the registry; returns its file. Raises RegistryError."""
    directory = _directory()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _trust(directory)
        entry = directory / f"{os.getpid()}.json"
        names = {"data": str(data.absolute()), "folder": str(Path.cwd())}
        whole = {"pid": os.getpid(), **names, "config": dict(facts)}
        draft = entry.with_suffix(".new")
        draft.unlink(missing_ok=True)
        # There are passwords in it.
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(json.dumps(whole), encoding="utf-8")
        draft.replace(entry)
    except OSError as error:
        raise RegistryError(f"{directory} cannot be written ({error.strerror}); set XDG_RUNTIME_DIR") from error
    return entry


def unregister() -> None:
    """Removes this process from the registry, if present."""
    try:
        (_directory() / f"{os.getpid()}.json").unlink()
    except OSError:
        return


def running() -> list[Running]:
    """Running environments, newest first; removes entries of dead processes. Raises RegistryError."""
    directory = _directory()
    try:
        if not directory.is_dir():
            return []
    except PermissionError:
        return []  # XDG_RUNTIME_DIR was inherited from another user, as by su
    _trust(directory)
    return [found for _, found in sorted(_alive(directory), key=lambda pair: pair[0], reverse=True)]


def _directory() -> Path:
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "mailstack"
    return Path(tempfile.gettempdir()) / f"mailstack-{os.getuid()}"


def _trust(directory: Path) -> None:
    """Rejects a directory that other users can write, as in a shared /tmp. Raises RegistryError."""
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise RegistryError(f"{directory} is not a directory of yours alone; remove it, or set XDG_RUNTIME_DIR")


def _alive(directory: Path) -> Iterator[tuple[int, Running]]:
    for entry in directory.glob("*.json"):
        try:
            started = entry.stat().st_mtime_ns
            whole = json.loads(entry.read_text(encoding="utf-8"))
            found = Running(int(whole["pid"]), Path(whole["data"]), dict(whole["config"]), Path(whole["folder"]))
        except (OSError, ValueError, KeyError, TypeError):
            entry.unlink(missing_ok=True)
            continue
        if _runs(found.pid):
            yield started, found
        else:
            entry.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number belongs to a process of another user now
    return True
