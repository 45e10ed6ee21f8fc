"""Nothing is done: what the start takes, and what those cost who are connected and silent."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.table.processes import memory
from tests.benchmarks.table.scene import OURS, PEER, Figures, Scale, Scene, a_postfix
from tests.benchmarks.table.site import Site, longest_hold, running, server
from tests.benchmarks.talks import trusting
from tests.journeys.process import MAILSTACK


def _idle(site: Site, scale: Scale) -> Figures:
    """What connections cost that say EHLO and then nothing. Each time of a new server: an old one has memory to spare."""
    figures: Figures = {}
    for name, context in (("plain", None), ("tls", trusting())):
        with contextlib.ExitStack() as stack:
            there = site if site.roots else stack.enter_context(running(site.folder))
            ours = there.log is not None
            port, count = (there.submissions if context else there.smtp), (scale.idle if ours else 100)
            if not port:
                continue
            figures["nobody_mib"] = memory(there.roots, "Rss" if ours else "Pss")
            before = memory(there.roots)
            with contextlib.ExitStack() as connections:
                for _ in range(count):
                    connections.enter_context(_caller(port, context))
                time.sleep(0.5)
                figures[f"{name}_kb"] = (memory(there.roots) - before) / count * 1024
        if there.log is not None:
            figures["held"] = max(longest_hold(there.log), figures.get("held", 0))
    return figures


def _caller(port: int, context: ssl.SSLContext | None) -> socket.socket:
    """Connected, greeted, and silent from now on."""
    connection = socket.create_connection(("127.0.0.1", port), 30)
    if context is not None:
        connection = context.wrap_socket(connection)
    connection.recv(1000)
    connection.sendall(b"EHLO bench.test\r\n")
    connection.recv(4000)
    return connection


@contextlib.contextmanager
def _idle_server(folder: Path, _scale: Scale) -> Iterator[Site]:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with server(folder):
        pass  # it has made its keys
    yield Site(OURS, "", [], folder=folder)


@contextlib.contextmanager
def _nothing(folder: Path, _scale: Scale) -> Iterator[Site]:
    folder.mkdir()
    yield Site(OURS, "", [], folder=folder)


def _dev_starts(site: Site, _scale: Scale) -> Figures:
    """From the command to the line that says it is ready; its data are new."""
    folder = site.folder / str(time.monotonic_ns())
    begun = time.perf_counter()
    with subprocess.Popen(
        [*MAILSTACK, "dev", "--port-base", "0", "--data", str(folder), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        try:
            json.loads(process.stdout.readline())
            seconds = time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait(30)
    return {"seconds": seconds}


def scenes() -> list[Scene]:
    return [
        Scene("idle", {OURS: _idle_server, PEER: a_postfix("hold")}, _idle, once=True),
        Scene("dev", {OURS: _nothing}, _dev_starts, ()),
    ]
