"""Programs and libraries that fetch: each takes bob's letters out of the server, to the octet, and deletes when told."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.environment import SCRIPTS, STARTTLS, TLS, Environment, need, run
from tests.clients.letters import HEADERS_BEYOND_ASCII, LETTERS

_MISSED = re.compile(r"waiting child pid \d+ timed out|has no attribute 'childpid'")
"""What getmail says then, the first after its `timeout`."""

Read = Callable[[Environment, str, Path], None]
"""Environment, STARTTLS or TLS, the folder to put the letters in, a file each."""


def curl(dev: Environment, security: str, folder: Path) -> None:
    need("curl")
    url = f"{'pop3s' if security == TLS else 'pop3'}://localhost:{dev.reading(security)}/"
    curl = f"curl -sS --cacert {dev.ca_file} --ssl-reqd --user bob:bob"
    numbers = [line.split()[0] for line in run(f"{curl} {url}").splitlines() if line[:1].isdigit()]
    for number in numbers:
        run(f"{curl} -o {folder / number} {url}{number}")
    assert len(set(run(f"{curl} -X UIDL {url}").split()[1::2])) == len(numbers)


def mpop(dev: Environment, security: str, folder: Path) -> None:
    need("mpop")
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir()
    settings = folder.parent / "mpoprc"
    settings.write_text(
        f"account server\nhost localhost\nport {dev.reading(security)}\ntls on\n"
        f"tls_starttls {'off' if security == TLS else 'on'}\ntls_trust_file {dev.ca_file}\n"
        f"auth user\nuser bob\npassword bob\ndelivery maildir {folder}\nuidls_file {folder.parent}/uidls\n"
        "keep on\nreceived_header off\n"
    )
    settings.chmod(0o600)
    run(f"mpop -C {settings} server")
    seen = len(list((folder / "new").iterdir()))
    # POP-12: the names hold, so that a second visit fetches nothing.
    run(f"mpop -C {settings} server")
    assert len(list((folder / "new").iterdir())) == seen


def getmail(dev: Environment, security: str, folder: Path) -> None:
    """It forks before it is ready to hear that its child has ended. Where it missed that, it is run again."""
    need("getmail")
    settings = folder.parent / "getmailrc"
    settings.write_text(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\n"
        f"port = {dev.reading(security)}\nusername = bob\npassword = bob\nca_certs = {dev.ca_file}\n"
        "timeout = 10\n"
        # Its own Maildir delivery refuses to run as root, which CI does.
        "[destination]\ntype = MDA_external\npath = /bin/sh\nallow_root_commands = true\nunixfrom = false\n"
        f"""arguments = ("-c", "cat > $(mktemp {folder}/XXXXXX)")\n"""
        "[options]\ndelivered_to = false\nreceived = false\nread_all = true\ndelete = false\n"
    )
    for attempts_left in reversed(range(8)):
        try:
            run(f"getmail --getmaildir {folder.parent} --rcfile {settings}")
        except AssertionError as failed:
            if not attempts_left or not _MISSED.search(str(failed)):
                raise
        else:
            return


def script(interpreter: str, name: str) -> Read:
    def read(dev: Environment, security: str, folder: Path) -> None:
        need(interpreter)
        how = "tls" if security == TLS else "stls"
        run(f"{interpreter} {SCRIPTS / name} localhost {dev.reading(security)} {how} {dev.ca_file} bob bob {folder}")

    return read


WAYS: list[tuple[str, Read, str]] = [
    ("curl", curl, STARTTLS),
    ("curl", curl, TLS),
    ("mpop", mpop, STARTTLS),
    ("mpop", mpop, TLS),
    ("getmail", getmail, TLS),
    ("perl", script("perl", "read.pl"), STARTTLS),
    ("perl", script("perl", "read.pl"), TLS),
    ("ruby", script("ruby", "read.rb"), TLS),
]


@pytest.mark.parametrize(("program", "read", "security"), WAYS, ids=[f"{way[0]}-{way[2]}" for way in WAYS])
def test_every_letter_is_fetched_as_it_is(
    program: str, read: Read, security: str, dev: Environment, tmp_path: Path
) -> None:
    """POP-07, POP-25, POP-28: what the reader's program has is what was sent, whatever line ends it keeps."""
    with smtplib.SMTP("localhost", dev.port("capture"), timeout=20) as client:
        for letter in HEADERS_BEYOND_ASCII.values():
            client.sendmail("alice@home.test", ["bob@home.test"], letter, mail_options=["BODY=8BITMIME", "SMTPUTF8"])
        for letter in LETTERS.values():
            client.sendmail("alice@home.test", ["bob@home.test"], letter, mail_options=["BODY=8BITMIME"])
    folder = tmp_path / "fetched"
    folder.mkdir()
    read(dev, security, folder)
    fetched = [path.read_bytes().replace(b"\r\n", b"\n") for path in folder.rglob("*") if path.is_file()]
    for name, wanted in {**HEADERS_BEYOND_ASCII, **LETTERS}.items():
        unix = wanted.replace(b"\r\n", b"\n")
        assert any(letter.endswith(unix) for letter in fetched), f"{program}: {name}"
