"""HTML checks that never end: pages are refused, mail and SIGTERM still work."""

from __future__ import annotations

import http.client
import json
import poplib
import smtplib
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.process import Process
from tests.waiting import until

PROGRAM = [
    sys.executable,
    "-c",
    """
import itertools
from mailstack.web.checks import html as html_check
def features_of(html):
    for _ in itertools.count():
        pass
html_check.features_of = features_of
from mailstack.cli import main
main(prog_name="mailstack")
""",
]
"""`mailstack`, with a check in which a thread is stuck in Python code."""
THREADS, QUEUE = 2, 50
LONG = "x" * 50_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Process, dict[str, Any]]]:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Process("dev", "--port-base", "0", "--json", "--quiet", environ=environ, program=PROGRAM) as process:
        yield process, json.loads(process.line())["services"]


def asked(
    stack: ExitStack, at: dict[str, Any], path: str, client: str = "127.0.0.1", timeout: float = 30
) -> http.client.HTTPConnection:
    """A request whose answer is not waited for."""
    connection = http.client.HTTPConnection(at["host"], at["port"], timeout, source_address=(client, 0))
    stack.callback(connection.close)
    connection.request("GET", path)
    return connection


def send(service: dict[str, Any], subject: str, html: str) -> None:
    with smtplib.SMTP(service["host"], service["port"], timeout=30) as client:
        head = f"Subject: {subject}\r\nContent-Type: text/html\r\n\r\n"
        client.sendmail("carol@elsewhere.test", ["bob@home.test"], head + html)


def test_stuck_checks_hold_up_neither_mail_nor_the_end(server: tuple[Process, dict[str, Any]]) -> None:
    process, services = server
    web = services["web"]
    for number in range(THREADS):
        send(services["capture"], f"stuck {number}", f"<p>{LONG}")
    with ExitStack() as stack:

        def letters() -> list[Any]:
            with ExitStack() as own:
                return list(json.loads(asked(own, web, "/v1/letters").getresponse().read())["letters"])

        until(lambda: len(letters()) == THREADS, "the letters are there")
        ids = [each["id"] for each in letters()]
        for number, letter in enumerate(ids[:THREADS]):
            asked(stack, web, f"/v1/letters/{letter}/checks/html", f"127.0.0.{2 + number}")
        waiting = [asked(stack, web, f"/v1/letters/{ids[0]}", "127.0.0.9") for _ in range(QUEUE + 20)]

        def refused() -> http.client.HTTPResponse | None:
            # One that still finds a place is never answered.
            with ExitStack() as own, suppress(TimeoutError):
                answer = asked(own, web, f"/v1/letters/{ids[0]}", timeout=1).getresponse()
                return answer if answer.status == 503 else None
            return None

        answer = until(refused, "the pool is full")
        assert answer.headers["Retry-After"] == "1"
        # Small things, passwords and mail have no part in that.
        assert asked(stack, web, "/v1/letters?limit=1").getresponse().status == 200
        begun = time.monotonic()
        send(services["capture"], "meanwhile", f"<p>{LONG}")
        reader = poplib.POP3(services["pop3"]["host"], services["pop3"]["port"], timeout=30)
        reader.stls(ssl._create_unverified_context())
        reader.user("bob")
        reader.pass_("bob")
        assert time.monotonic() - begun < 10
        reader.quit()
        assert len(waiting) > QUEUE
    begun = time.monotonic()
    assert process.stop() in (0, -15)
    assert time.monotonic() - begun < 20
