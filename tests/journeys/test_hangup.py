"""SIGHUP in real processes: during the start, for new certificates; notification of the supervisor."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.net.process import defer, notify_ready, notify_stopping, on_sighup
from tests.journeys.process import MAILSTACK, TWISTD, Process, serve

PROGRAMS = pytest.mark.parametrize(
    "begin",
    [[*MAILSTACK, "serve"], [*TWISTD, "--nodaemon", "--pidfile=", "mailstack"]],
    ids=["mailstack serve", "twistd"],
)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which one listens for what its services say."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(30)
        yield line


@PROGRAMS
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_early_sighup_is_deferred(config: Path, supervisor: socket.socket, begin: list[str], workers: str) -> None:
    """Sent while it waits for its configuration, the first thing that it reads."""
    real = config.rename(config.with_suffix(".real"))
    os.mkfifo(config)
    environ = {"NOTIFY_SOCKET": supervisor.getsockname(), "MAILSTACK_WORKERS__COUNT": workers}
    with Process("-c", str(config), program=begin, environ=environ) as server:
        with config.open("wb") as pipe:
            server.process.send_signal(signal.SIGHUP)
            pipe.write(real.read_bytes())
            real.replace(config)
        wanted = {"messages are signed with", "mx listens on"}
        while wanted:
            line = server.line()
            wanted -= {each for each in wanted if each in line}
        assert supervisor.recv(100) == b"READY=1"
        assert server.stop() in (0, -signal.SIGTERM)
        while (said := supervisor.recv(100)) == b"READY=1":
            # Each worker is.
            pass
        assert said == b"STOPPING=1"


def test_hangups_are_kept_until_somebody_hears_them() -> None:
    heard: list[str] = []
    before = signal.getsignal(signal.SIGHUP)
    try:
        defer()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        end = on_sighup(lambda: heard.append("hangup"))
        assert heard == ["hangup"]
        os.kill(os.getpid(), signal.SIGHUP)
        assert heard == ["hangup"] * 2
        end()
        # While a server ends it is nobody's, and ends nothing before its time.
        os.kill(os.getpid(), signal.SIGHUP)
        assert heard == ["hangup"] * 2
    finally:
        signal.signal(signal.SIGHUP, before)


def test_notification_without_a_supervisor(tmp_path: Path) -> None:
    for place in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": str(tmp_path / "none")}):
        notify_ready(place)
    notify_stopping({"NOTIFY_SOCKET": "/" + "x" * 500})


def test_a_supervisor_that_does_not_listen_is_not_waited_for(supervisor: socket.socket) -> None:
    for _ in range(10_000):
        notify_ready({"NOTIFY_SOCKET": supervisor.getsockname()})
    assert supervisor.recv(100) == b"READY=1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no files")
def test_a_supervisor_may_have_an_abstract_name() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0mailstack-{os.getpid()}")
        notify_stopping({"NOTIFY_SOCKET": f"@mailstack-{os.getpid()}"})
        assert line.recv(100) == b"STOPPING=1"


def shows(port: int, ca_file: Path | None, name: str) -> bool:
    """Whether a new client finds a certificate for `name` behind STARTTLS."""
    context = ssl.create_default_context(cafile=str(ca_file))
    client = smtplib.SMTP("127.0.0.1", port, timeout=20)
    client._host = name  # type: ignore[attr-defined]
    try:
        client.starttls(context=context)
    except ssl.SSLCertVerificationError:
        return False
    else:
        return client.ehlo()[0] == 250
    finally:
        client.close()


def hang_up(server: Process, says: str) -> str:
    """SIGHUP, and the line of the log that has `says` in it."""
    server.process.send_signal(signal.SIGHUP)
    return server.wait_for(says)


@pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])
def test_sighup_shows_new_certificates_and_drops_no_session(tmp_path: Path, config: Path, program: list[str]) -> None:
    """TLS-01, CODE-27"""
    files = private_ca(tmp_path / "given", "old.test", time.time())
    config.write_text(config.read_text() + f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n')
    with serve(config, program) as server:
        server.wait_for("loaded certificates")
        _replaced(server, server.ports["submission"], files)
        assert server.stop() in (0, -signal.SIGTERM)


def _replaced(server: Process, port: int, files: CertificateFiles) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as stays:
        stays._host = "old.test"  # type: ignore[attr-defined]
        stays.starttls(context=ssl.create_default_context(cafile=str(files.ca)))
        stays.login("alice", "alice")
        private_ca(files.certificate.parent, "new.test", time.time())
        assert not shows(port, files.ca, "new.test")
        hang_up(server, "loaded certificates")
        assert shows(port, files.ca, "new.test")
        assert not shows(port, files.ca, "old.test")
        # A key that is gone: the log names it, and TLS goes on.
        files.key.unlink()
        assert "key.pem" in hang_up(server, "the certificates loaded before stay in use")
        assert shows(port, files.ca, "new.test")
        assert stays.sendmail("alice@home.test", ["bob@home.test"], "Subject: still here\r\n\r\n") == {}
