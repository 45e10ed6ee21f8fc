"""Real listeners that accept and never greet, beside a host that takes letters; the server is killed in between."""

from __future__ import annotations

import re
import smtplib
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.process import command, lines_of_json, serve
from tests.journeys.process import server as mail_server
from tests.nodes.far import FarHost
from tests.waiting import until

SILENT = 60
SOON = 10.0
"""Seconds on a busy machine; a silent host is waited for thirty times as long."""


def configured(directory: Path, far: int, silent: list[int]) -> Path:
    config = mail_server(directory)
    routes = "".join(f'"silent{number}.test" = "127.0.0.1:{port}"\n' for number, port in enumerate(silent))
    text = re.sub(
        r"\[relay\.routes\].*",
        f'[relay]\nconcurrency = 20\n[relay.routes]\n"far.test" = "127.0.0.1:{far}"\n{routes}',
        config.read_text(),
        flags=re.DOTALL,
    )
    config.write_text(text)
    return config


def send(port: int, token: str, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.login("alice", "alice")
        client.sendmail("alice@home.test", recipients, f"Subject: {token}\r\n\r\nHello.\r\n")


def queued(config: Path) -> list[dict[str, Any]]:
    return lines_of_json(command("queue", "list", "--json", "-c", str(config)))


@pytest.mark.parametrize("workers", [1, 2])
def test_letters_leave_beside_silent_hosts_and_after_a_kill(tmp_path: Path, workers: int) -> None:
    """RLY-13."""
    with ExitStack() as stack:
        far = stack.enter_context(FarHost())
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(SILENT)]
        config = configured(tmp_path, far.port, [each.getsockname()[1] for each in listeners])
        for round_ in range(2):
            server, ports = serve(config, workers=workers)
            with server:
                if not round_:
                    send(ports["submission"], "silent", *(f"x@silent{number}.test" for number in range(SILENT)))
                for number in range(3):
                    token = f"{round_}-{number}"
                    send(ports["submission"], token, "bob@far.test")
                    until(lambda: far.copies[token, "bob@far.test"], f"{token} has left", SOON)  # noqa: B023
                # What has left is written down, so that the kill doubles nothing.
                until(lambda: len(queued(config)) == 1, "only the letter to silent hosts is queued")
                server.kill()
        (waiting,) = queued(config)
        assert len(waiting["deliveries"]) == SILENT
        assert set(far.copies.values()) == {1}
