"""SMTP and web pages of a server on Unix sockets."""

from __future__ import annotations

import http.client
import json
import smtplib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.mailpit import LETTER
from tests.journeys.process import PATIENCE, Process, add_accounts, command

CONFIG = """
hostname = "mx.home.test"
domains = ["home.test"]
[listen]
{}
[accounts]
bcrypt_rounds = 4
require_tls = false
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: that of a socket may have some 100 octets."""
    with tempfile.TemporaryDirectory(prefix="ms-") as directory:
        yield Path(directory)


def connected(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.settimeout(PATIENCE)
    found.connect(str(path))
    return found


class UnixSmtp(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        return connected(Path(host))


def page(path: Path, where: str) -> Any:
    client = http.client.HTTPConnection("localhost")
    client.sock = connected(path)
    client.request("GET", where)
    answer = client.getresponse()
    octets = answer.read()
    client.close()
    assert answer.status == 200, octets
    return json.loads(octets)


def test_a_server_at_sockets(tmp_path: Path, place: Path) -> None:
    config = tmp_path / "mailstack.toml"
    listen = "\n".join(f'{service} = ["unix:{place / service}"]' for service in ("mx", "submission", "web"))
    config.write_text(CONFIG.format(listen))
    add_accounts(config, "bob@home.test")
    with Process("serve", "-c", str(config)) as server:
        server.wait_for(f"starting on '{place / 'web'}'")
        with UnixSmtp(str(place / "mx"), 25) as client:
            client.sendmail("ann@b.test", ["bob@home.test"], LETTER.format("by a socket", 1))
        with UnixSmtp(str(place / "submission"), 25) as client:
            client.login("bob", "bob")
            letter = LETTER.replace("a@b.test", "bob@home.test").format("by himself", 2)
            client.sendmail("bob@home.test", ["bob@home.test"], letter)
        assert page(place / "web", "/v1/openapi.json")["info"]["title"] == "mailstack"
        assert len(command("letters", "-c", str(config), "--json").splitlines()) == 2
        assert server.stop() == 0
