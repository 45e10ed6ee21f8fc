"""HTML checks that never end: pages are refused, mail and SIGTERM still work."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from tests.journeys.dev import DevProcess
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


def asked(
    keep: ExitStack, dev: DevProcess, path: str, client: str = "127.0.0.1", timeout: float = 30
) -> HTTPConnection:
    """A request whose answer is not waited for."""
    connection = HTTPConnection(*dev.at("web"), timeout, source_address=(client, 0))
    keep.callback(connection.close)
    connection.request("GET", path)
    return connection


def send(dev: DevProcess, subject: str) -> str:
    html = f"Subject: {subject}\r\nContent-Type: text/html\r\n\r\n<p>{LONG}\r\n"
    return dev.capture(html.encode(), "bob@home.test")


def test_stuck_checks_hold_up_neither_mail_nor_the_end(tmp_path: Path) -> None:
    with DevProcess(tmp_path, program=PROGRAM) as dev:
        ids = [send(dev, f"stuck {number}") for number in range(THREADS)]
        with ExitStack() as stack:
            for number, letter in enumerate(ids):
                asked(stack, dev, f"/v1/letters/{letter}/checks/html", f"127.0.0.{2 + number}")
            waiting = [asked(stack, dev, f"/v1/letters/{ids[0]}", "127.0.0.9") for _ in range(QUEUE + 20)]

            def refused() -> HTTPResponse | None:
                # One that still finds a place is never answered.
                with ExitStack() as own, suppress(TimeoutError):
                    answer = asked(own, dev, f"/v1/letters/{ids[0]}", timeout=1).getresponse()
                    return answer if answer.status == 503 else None
                return None

            answer = until(refused, "the pool is full")
            assert answer.headers["Retry-After"] == "1"
            # Small things, passwords and mail have no part in that.
            assert asked(stack, dev, "/v1/letters?limit=1").getresponse().status == 200
            begun = time.monotonic()
            send(dev, "meanwhile")
            reader = dev.reader("bob")
            assert time.monotonic() - begun < 10
            reader.quit()
            assert len(waiting) > QUEUE
        begun = time.monotonic()
        assert dev.stop() in (0, -15)
        assert time.monotonic() - begun < 20
