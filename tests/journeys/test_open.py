"""`mailstack dev --host 0.0.0.0`, closed by default and open with `--open`, in real processes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from tests.journeys.process import Process


def answer(url: str, host: str, path: str = "v1/letters") -> tuple[int, str]:
    """Status and body of a request with a Host name."""
    request = urllib.request.Request(url + path, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_an_open_environment_serves_each_host_name_without_a_login(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Process("dev", "--json", "--port-base", "0", "--host", "0.0.0.0", "--open", environ=environ) as process:
        url = f"http://127.0.0.1:{json.loads(process.line())['services']['web']['port']}/"
        assert answer(url, "mailpit:8025")[0] == 200
        assert answer(url, "mail.example.test")[0] == 200


def test_without_it_a_login_and_a_known_name_are_required(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Process("dev", "--json", "--port-base", "0", "--host", "0.0.0.0", environ=environ) as process:
        url = f"http://127.0.0.1:{json.loads(process.line())['services']['web']['port']}/"
        assert answer(url, "localhost")[0] == 401
        status, text = answer(url, "mail.example.test")
        assert status == 421
        assert "--web-host NAME" in text
        assert "--open" in text


def test_the_start_says_that_it_is_open(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Process("dev", "--port-base", "0", "--open", environ=environ) as process:
        lines = [process.line() for _ in range(3)]
    assert any("OPEN: each client" in line for line in lines), lines
