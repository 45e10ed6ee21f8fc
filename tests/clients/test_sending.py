"""Programs and libraries that send: each hands in every letter, and what bob finds is that letter to the octet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.environment import SCRIPTS, STARTTLS, TLS, Environment, need, run
from tests.clients.letters import LETTERS

ALICE, BOB = "alice@home.test", "bob@home.test"

Send = Callable[[Environment, str, str, str, Path], None]
"""Environment, STARTTLS or TLS, mechanism, password, the letter's file."""


def curl(dev: Environment, security: str, mechanism: str, password: str, letter: Path) -> None:
    need("curl")
    scheme = "smtps" if security == TLS else "smtp"
    run(
        f"curl -sS --cacert {dev.ca_file} --ssl-reqd --user alice:{password} --login-options AUTH={mechanism} "
        f"--mail-from {ALICE} --mail-rcpt {BOB} --upload-file {letter} "
        f"{scheme}://localhost:{dev.submitting(security)}/client.test"
    )


def swaks(dev: Environment, security: str, mechanism: str, password: str, letter: Path) -> None:
    need("swaks")
    unix = letter.with_suffix(".lf")
    # It puts the last line's end back by itself.
    unix.write_bytes(letter.read_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n"))
    run(
        f"swaks --server localhost:{dev.submitting(security)} {'-tlsc' if security == TLS else '-tls'} --tls-verify "
        f"--tls-ca-path {dev.ca_file} --silent 2 --from {ALICE} --to {BOB} "
        f"-a {mechanism} -au alice -ap {password} --data @{unix}"
    )


def msmtp(dev: Environment, security: str, mechanism: str, password: str, letter: Path) -> None:
    need("msmtp")
    settings = letter.with_suffix(".msmtprc")
    settings.write_text(
        f"account server\nhost localhost\nport {dev.submitting(security)}\ntls on\n"
        f"tls_starttls {'off' if security == TLS else 'on'}\ntls_trust_file {dev.ca_file}\n"
        f"auth {mechanism.lower()}\nuser alice\npassword {password}\nfrom {ALICE}\n"
    )
    settings.chmod(0o600)
    run(f"msmtp -C {settings} -a server -- {BOB}", octets=letter.read_bytes().replace(b"\r\n", b"\n"))


def script(interpreter: str, name: str) -> Send:
    def send(dev: Environment, security: str, mechanism: str, password: str, letter: Path) -> None:
        need(interpreter)
        run(
            f"{interpreter} {SCRIPTS / name} localhost {dev.submitting(security)} {security} {dev.ca_file} "
            f"alice {password} {mechanism} {ALICE} {BOB} {letter}",
            environ={"NODE_PATH": "/usr/share/nodejs"},
        )

    return send


PROGRAMS: dict[str, Send] = {
    "curl": curl,
    "swaks": swaks,
    "msmtp": msmtp,
    "smtplib": script(sys.executable, "send_smtplib.py"),
    "twisted": script(sys.executable, "send_twisted.py"),
    "perl": script("perl", "send.pl"),
    "ruby": script("ruby", "send.rb"),
    "node": script("node", "send.js"),
}


def write(directory: Path, name: str) -> Path:
    path = directory / f"{name}.eml"
    path.write_bytes(LETTERS[name])
    return path


def without_trace(letter: bytes, wanted: bytes) -> bytes:
    """What stands below the fields that the servers put on top."""
    return letter[-len(wanted) :]


@pytest.mark.parametrize("security", [STARTTLS, TLS])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_letter_arrives_as_it_was(program: str, security: str, dev: Environment, tmp_path: Path) -> None:
    """SMTP-30, SUBM-01, TLS-01: the dialogue of a real client, the octets of its letter."""
    for name in LETTERS:
        PROGRAMS[program](dev, security, "PLAIN", "alice", write(tmp_path, name))
    found = {name: letter for letter in dev.letters() for name in LETTERS if f"Subject: {name}\r\n".encode() in letter}
    for name, wanted in LETTERS.items():
        assert without_trace(found[name], wanted) == wanted, name


@pytest.mark.parametrize("program", PROGRAMS)
def test_login_works_as_well(program: str, dev: Environment, tmp_path: Path) -> None:
    """AUTH-05."""
    PROGRAMS[program](dev, STARTTLS, "LOGIN", "alice", write(tmp_path, "plain"))
    assert len(dev.letters()) == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_password_is_refused(program: str, dev: Environment, tmp_path: Path) -> None:
    """CODE-03: the program says so, and nothing arrives."""
    with pytest.raises(AssertionError, match=r"(?i)535|auth|login denied"):
        PROGRAMS[program](dev, STARTTLS, "PLAIN", "wrong", write(tmp_path, "plain"))
    assert dev.letters() == []
    # A login clears the count of failures: a growing one would delay each login of the tests that follow.
    PROGRAMS["smtplib"](dev, STARTTLS, "PLAIN", "alice", write(tmp_path, "plain"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("security", [STARTTLS, TLS])
def test_phpmailer_composes_a_letter(security: str, mechanism: str, dev: Environment, tmp_path: Path) -> None:
    script("php", "send.php")(dev, security, mechanism, "alice", write(tmp_path, "utf8"))
    (letter,) = dev.letters()
    assert "Grüße aus Köln".encode() in letter
    assert b"attached.eml" in letter
