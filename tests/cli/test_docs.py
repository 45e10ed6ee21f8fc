"""`mailstack docs`: pages from the archive, on loopback only, until Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from mailstack.cli import docs as command
from mailstack.cli import main

FILES = {
    "index.html": "<h1>Start</h1>",
    "howto/faults/index.html": "<h1>Faults</h1>",
    "search/search_index.json": "{}",
    "docs/images/inbox.webp": "RIFF",
    "404.html": "<h1>Not here</h1>",
}
TIMEOUT_S = 60


@pytest.fixture
def site(tmp_path: Path) -> Path:
    with ZipFile(tmp_path / "site.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    return tmp_path / "site.zip"


@pytest.fixture
def running(site: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a process of its own, and its port."""
    program = (
        "from pathlib import Path\nfrom mailstack.cli import docs, main\n"
        f"docs.SITE = Path({str(site)!r})\nmain(['docs', 'bounce', 'after 5 days'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"Documentation: http://127\.0\.0\.1:(\d+)/\?q=bounce%20after%205%20days\n", line)
        assert found, line
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait(TIMEOUT_S)
        process.stdout.close()


def get(port: int, path: str, method: str = "GET") -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def test_the_pages_are_served_until_ctrl_c(running: tuple[subprocess.Popen[str], int]) -> None:
    process, port = running
    for path, text in (("/", "Start"), ("/?q=tls", "Start"), ("/howto/faults/", "Faults"), ("/./howto/../", "Start")):
        answer, body = get(port, path)
        assert (answer.status, body) == (200, f"<h1>{text}</h1>"), path
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert get(port, "/docs/images/inbox.webp")[0].headers["Content-Type"] == "image/webp"
    assert get(port, "/search/search_index.json")[0].headers["Content-Type"] == "application/json; charset=utf-8"
    answer, body = get(port, "/", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, "14", "")
    answer, _ = get(port, "/howto/faults")
    assert (answer.status, answer.headers["Location"]) == (301, "/howto/faults/")
    for path in ("/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//elsewhere.test/", "/howto/"):
        answer, body = get(port, path)
        assert (answer.status, body) == (404, "<h1>Not here</h1>"), path
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT_S) == 0


def test_without_the_site_the_command_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SITE", tmp_path / "site.zip")
    run = CliRunner().invoke(main, ["docs"])
    assert run.exit_code == 1
    assert "this installation has no documentation site" in run.output
    assert "make docs" in run.output


def test_a_damaged_site_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.zip").write_bytes(b"PK")
    monkeypatch.setattr(command, "SITE", tmp_path / "site.zip")
    run = CliRunner().invoke(main, ["docs"])
    assert run.exit_code == 1
    assert "install mailstack again" in run.output


def test_a_used_port_is_named(
    site: Path, running: tuple[subprocess.Popen[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SITE", site)
    run = CliRunner().invoke(main, ["docs", "--port", str(running[1])])
    assert run.exit_code == 1
    assert f"port {running[1]} can't be used" in run.output
    assert "--port" in run.output
