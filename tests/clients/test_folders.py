"""Clients of IMAP: each reads, flags and files bob's messages."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.environment import SCRIPTS, STARTTLS, TLS, Environment, need, run
from tests.clients.letters import LETTERS
from tests.clients.test_peers import node, python
from tests.waiting import until


@pytest.fixture
def imap(dev: Environment) -> Iterator[imaplib.IMAP4]:
    """A client of the library with bob's INBOX, to see what the others did."""
    context = ssl.create_default_context(cafile=dev.ca_file)
    with imaplib.IMAP4_SSL("localhost", dev.port("imaps"), ssl_context=context, timeout=30) as client:
        client.login("bob", "bob")
        yield client


def fill(dev: Environment, imap: imaplib.IMAP4) -> list[bytes]:
    """Submit letters to bob; returns them as they are in his INBOX."""
    for letter in LETTERS.values():
        dev.submit(letter, "bob@home.test")
    until(lambda: int(imap.select("INBOX")[1][0] or 0) == len(LETTERS), "all letters have come")
    return [imap.fetch(str(number), "(BODY.PEEK[])")[1][0][1] for number in range(1, len(LETTERS) + 1)]  # type: ignore[index]


@pytest.mark.parametrize("security", [STARTTLS, TLS])
def test_curl_reads_and_searches(dev: Environment, imap: imaplib.IMAP4, security: str) -> None:
    need("curl")
    letters = fill(dev, imap)
    url = f"imaps://localhost:{dev.port('imaps')}" if security == TLS else f"imap://localhost:{dev.port('imap')}"
    curl = f"curl -sS --cacert {dev.ca_file} --ssl-reqd --user bob:bob"
    uids = imap.uid("SEARCH", "ALL")[1][0].split()
    assert [run(f"{curl} '{url}/INBOX;UID={uid.decode()}'").encode() for uid in uids] == [
        letter.decode("utf-8", "replace").encode() for letter in letters
    ]
    assert "\\Sent" in run(f"{curl} {url}/")


def test_mbsync_copies_all_folders_both_ways(dev: Environment, imap: imaplib.IMAP4, tmp_path: Path) -> None:
    """IMAP-86: each message is copied octet for octet; flags and removals go both ways."""
    need("mbsync")
    letters = fill(dev, imap)
    mail = tmp_path / "mail"
    mail.mkdir()
    settings = tmp_path / "mbsyncrc"
    settings.write_text(
        f"IMAPAccount server\nHost localhost\nPort {dev.port('imaps')}\nUser bob\nPass bob\nTLSType IMAPS\n"
        f"CertificateFile {dev.ca_file}\n\nIMAPStore far\nAccount server\n\n"
        f"MaildirStore near\nPath {mail}/\nInbox {mail}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    )
    sync = f"mbsync -c {settings} all"
    run(sync)
    copies = {file.read_bytes(): file for file in (mail / "INBOX").glob("[cn]*/*")}
    assert {octets.replace(b"\r\n", b"\n") for octets in letters} == {without_mark(octets) for octets in copies}
    first, second, *_ = copies.values()
    first.rename(mail / "INBOX" / "cur" / f"{first.name.partition(':')[0]}:2,FS")
    second.unlink()
    run(sync)
    imap.select("INBOX")
    assert len(imap.uid("SEARCH", "FLAGGED SEEN")[1][0].split()) == 1
    assert len(imap.uid("SEARCH", "ALL")[1][0].split()) == len(letters) - 1
    assert {"Sent", "Drafts", "Trash", "Junk", "Archive"} <= {folder.name for folder in mail.iterdir()}


def without_mark(octets: bytes) -> bytes:
    """A copy without the field that mbsync adds."""
    return b"".join(line for line in octets.splitlines(keepends=True) if not line.startswith(b"X-TUID: "))


def test_npm_imapflow(dev: Environment) -> None:
    node("imapflow.cjs", "imapflow", str(dev.port("imaps")), dev.ca_file, str(dev.port("capture")))


def test_pypi_imapclient_with_the_profile_of_gmail(tmp_path: Path) -> None:
    """The example of the how-to, as printed."""
    text = (Path(__file__).parents[2] / "docs/howto/imap-clients.md").read_text()
    example = next(
        block
        for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if "gmail_search" in block
    )
    with Environment(tmp_path / "run", "--imap-profile", "gmail") as dev:
        script = tmp_path / "example.py"
        script.write_text(example.replace("ca.pem", dev.ca_file).replace("1993", str(dev.port("imaps"))))
        python("imapclient", str(script))


def test_pypi_imapclient(dev: Environment) -> None:
    python("imapclient", str(SCRIPTS / "imapclient_session.py"), str(dev.port("imaps")), dev.ca_file)
