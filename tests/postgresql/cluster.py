"""A PostgreSQL of one's own, in a directory of its own: started, stopped in any way, and gone with its owner."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from tests.postgresql.programs import directory_of_programs, unprivileged

PATIENCE = 60.0
ROLE = "mailstack"
"""Who owns what tests keep: no superuser, as with a database that others run."""
CARELESS = {"fsync": "off", "full_page_writes": "off"}
"""A killed server loses nothing by these, only a machine without power does; tests are twice as quick."""

HOW = Literal["smart", "fast", "immediate"]


class Cluster:
    """States: running, stopped (`stop`), gone (`close`). It listens on a port of 127.0.0.1, which it keeps."""

    def __init__(self, settings: Mapping[str, str] = CARELESS) -> None:
        """Raises LookupError where PostgreSQL is not installed. `settings`: of postgresql.conf."""
        programs = directory_of_programs()
        if programs is None:
            raise LookupError("PostgreSQL is not installed (initdb, pg_ctl and postgres are not found)")
        self._programs = programs
        self._user = unprivileged()
        self.password = secrets.token_hex(8)
        self.port = 0
        self.directory = Path(tempfile.mkdtemp(prefix="mailstack-postgresql-"))
        if self._user:
            os.chown(self.directory, self._user["user"], self._user["group"])
        self._guard = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("guard.py")), str(self.directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for those who are watched, not for the guard
        )
        try:
            self._initialize(settings)
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _initialize(self, settings: Mapping[str, str]) -> None:
        secret = self.directory / "password"
        secret.write_text(self.password)
        if self._user:
            os.chown(secret, self._user["user"], self._user["group"])
        self._run(
            "initdb", "--no-sync", "--auth=scram-sha-256", "--username=postgres", f"--pwfile={secret}",
            "--encoding=UTF8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        # With the default of 100 connections, three nodes and their tests would not be far from the limit.
        mine = {"unix_socket_directories": "", "listen_addresses": "127.0.0.1", "max_connections": "200"}
        lines = [f"{name} = '{value}'\n" for name, value in {**mine, **settings}.items()]
        with (self.directory / "data" / "postgresql.conf").open("a") as file:
            file.writelines(lines)

    # --- its life

    def start(self) -> None:
        """Returns when it takes connections. Raises RuntimeError with the end of its log."""
        for _ in range(5):
            port = self.port or _free_port()
            try:
                self._run(
                    "pg_ctl", "start", "--wait", f"--timeout={PATIENCE:g}", "--silent",
                    f"--log={self.directory / 'log'}", f"--options=-p {port}",
                )  # fmt: skip
            except RuntimeError:
                # Somebody may have taken the port meanwhile; but one that others know by now can't be changed.
                if self.port:
                    raise
                continue
            self.port = port
            return
        raise RuntimeError(f"PostgreSQL finds no port: {self.log()[-2000:]}")

    def stop(self, how: HOW = "fast") -> None:
        """`immediate` is a crash: nothing is written any more, and the next start recovers from the log."""
        self._run("pg_ctl", "stop", "--wait", f"--timeout={PATIENCE:g}", "--silent", f"--mode={how}")

    def close(self) -> None:
        """Harmless if called again."""
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard.wait(PATIENCE)

    def log(self) -> str:
        try:
            return (self.directory / "log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """For the superuser, perhaps by another port that leads here."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{port or self.port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        done = subprocess.run(
            [str(self._programs / program), f"--pgdata={self.directory / 'data'}", *arguments],
            cwd=self.directory,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
            **self._user,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}{self.log()[-2000:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
