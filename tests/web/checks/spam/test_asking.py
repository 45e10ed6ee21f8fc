"""A dev environment asks a spam filter about its letters, over real sockets, in both APIs."""

from __future__ import annotations

import json
import smtplib
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.journeys.process import Process
from tests.web.checks.spam.fakes import fake_rspamd, fake_spamd


class Environment:
    def __init__(self, process: Process) -> None:
        facts = json.loads(process.line())
        self._web = facts["web"]
        self._capture = facts["services"]["capture"]["port"]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self._web + path, timeout=20) as response:
            return json.load(response)

    def send(self, words: str) -> str:
        """The letter's id."""
        with smtplib.SMTP("127.0.0.1", self._capture, timeout=20) as client:
            client.sendmail("a@b.test", ["c@d.test"], f"Subject: x\r\n\r\n{words}\r\n")
        found: str = self.get("api/v1/message/latest")["ID"]
        return found


def dev(tmp_path: Path, *options: str) -> Process:
    return Process("dev", "--port-base", "0", "--json", "--quiet", *options, environ={"XDG_RUNTIME_DIR": str(tmp_path)})


def test_spamassassin_is_asked(tmp_path: Path) -> None:
    # With --compat its ports are taken, too: say others.
    with fake_spamd() as port, dev(
        tmp_path, "--compat", "mailpit", "--smtp", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--pop3", "127.0.0.1:0",
        "--spam-filter", f"spamassassin:127.0.0.1:{port}",
    ) as process:  # fmt: skip
        there = Environment(process)
        assert there.get("api/v1/webui")["SpamAssassin"] is True
        found = there.get(f"api/v1/message/{there.send('an offer')}/sa-check")
        assert (found["Error"], found["IsSpam"], found["Score"]) == ("", True, 7.4)
        assert [rule["Name"] for rule in found["Rules"]] == ["MISSING_DATE", "DKIM_VALID", "OFFER"]
        kind = there.get(f"v1/letters/{there.send('kind words')}/checks/spam")
        assert (kind["Error"], kind["IsSpam"], kind["Score"]) == ("", False, 0.1)
        silence = there.get(f"v1/letters/{there.send('silence')}/checks/spam")
        assert silence["Error"] == f"spamassassin at 127.0.0.1 port {port}: invalid response of SpamAssassin's spamd"


def test_rspamd_is_asked(tmp_path: Path) -> None:
    with fake_rspamd() as port, dev(tmp_path, "--spam-filter", f"rspamd:http://127.0.0.1:{port}") as process:
        there = Environment(process)
        offer = there.get(f"v1/letters/{there.send('an offer')}/checks/spam")
        assert (offer["Error"], offer["IsSpam"], offer["Score"], offer["Rules"][0]["Name"]) == ("", True, 8.5, "OFFER")
        other = there.get(f"api/v1/message/{there.send('else')}/sa-check")
        assert other["Error"] == f"rspamd at 127.0.0.1 port {port}: it responded 404"


def test_a_filter_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with dev(tmp_path, "--spam-filter", f"spamassassin:127.0.0.1:{port}") as process:
        there = Environment(process)
        assert "refused" in there.get(f"v1/letters/{there.send('x')}/checks/spam")["Error"]
