"""Drives Thunderbird as its makers do: Marionette's protocol, by which scripts run among its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tests.clients.environment import PATIENCE

SETTINGS = {
    # What is asked first, and in no test.
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:1/",
    "toolkit.telemetry.server": "http://127.0.0.1:1/",
}


class Thunderbird:
    """A Thunderbird with a new profile and without a window, within a `with` block."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self._directory = directory
        profile = directory / "profile"
        profile.mkdir()
        self.port = _free_port()
        given = SETTINGS | settings | {"marionette.port": self.port}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in given.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self._log = (directory / "thunderbird.log").open("wb")
        options = [
            "--headless",
            "--no-remote",
            "--profile",
            str(profile),
            "--marionette",
            "--remote-allow-system-access",
        ]
        self._process = subprocess.Popen(
            ["thunderbird", *options],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(directory), "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        self._asked = 0

    def __enter__(self) -> Self:
        try:
            self._connection = self._connect()
            self._said = self._connection.makefile("rb")
            self._hear()
            self._ask("WebDriver:NewSession", {})
            self._ask("WebDriver:SetTimeouts", {"script": int(PATIENCE * 1000)})
            self._ask("Marionette:SetContext", {"value": "chrome"})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # It is a program that starts others.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._log.close()

    def _connect(self) -> socket.socket:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            except OSError:
                assert time.monotonic() < end, (self._directory / "thunderbird.log").read_text()
                assert self._process.poll() is None, (self._directory / "thunderbird.log").read_text()
                time.sleep(0.1)

    def _hear(self) -> Any:
        size = b""
        while (octet := self._said.read(1)) != b":":
            assert octet, "Thunderbird has gone"
            size += octet
        return json.loads(self._said.read(int(size)))

    def _ask(self, command: str, parameters: dict[str, object]) -> Any:
        self._asked += 1
        said = json.dumps([0, self._asked, command, parameters]).encode()
        self._connection.sendall(b"%d:%b" % (len(said), said))
        _, _, error, result = self._hear()
        assert error is None, error["message"] + "\n" + error.get("stacktrace", "")
        return result

    def run(self, script: str, *arguments: object) -> Any:
        """What the body of an async function gives; it has `given`, the arguments."""
        whole = (
            "const [...given] = [...arguments].slice(0, -1), done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then(value => done({{value}}), error => done({{error: String(error) + error.stack}}))"
        )
        found = self._ask(
            "WebDriver:ExecuteAsyncScript",
            {"script": whole, "args": list(arguments), "sandbox": "system", "newSandbox": False},
        )["value"]
        assert "error" not in found, found["error"]
        return found["value"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
