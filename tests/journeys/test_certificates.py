"""A running server is given new certificates: real processes, real signals, sessions that stay."""

from __future__ import annotations

import signal
import smtplib
import ssl
import time
from pathlib import Path

import pytest

from mailstack.net.certificates import CertificateFiles, private_ca
from tests.journeys.process import MAILSTACK, TWISTD, Process, serve
from tests.journeys.process import server as mail_server


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
def test_sighup_shows_new_certificates_and_drops_no_session(tmp_path: Path, program: list[str]) -> None:
    """TLS-01, CODE-27"""
    files = private_ca(tmp_path / "given", "old.test", time.time())
    config = mail_server(tmp_path)
    config.write_text(config.read_text() + f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n')
    server, ports = serve(config, program)
    with server:
        server.wait_for("loaded certificates")
        _replaced(server, ports["submission"], files)
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
