"""Finds PostgreSQL's programs, and the user that they may run as."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEEDED = ("initdb", "pg_ctl", "postgres")


def directory_of_programs() -> Path | None:
    """Where a whole server is installed; the newest, where Debian has several."""
    for directory in _candidates():
        if all(os.access(directory / name, os.X_OK) for name in NEEDED):
            return directory
    return None


def _candidates() -> Iterator[Path]:
    debian = [each for each in Path("/usr/lib/postgresql").glob("*/bin") if each.parent.name.isdigit()]
    yield from sorted(debian, key=lambda each: int(each.parent.name), reverse=True)
    if (config := shutil.which("pg_config")) is not None:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, timeout=20, check=False)
        yield Path(told.stdout.strip())
    if (initdb := shutil.which("initdb")) is not None:
        yield Path(initdb).resolve().parent


def unprivileged() -> dict[str, Any]:
    """What `subprocess` is to be told, since PostgreSQL refuses to run as root: the user, or nothing for others."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise LookupError("root can't run PostgreSQL, and there is neither a user postgres nor nobody")
