"""The files that `mailstack setup` tells to write, taken as they are by the clients that they are for."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients.environment import Environment, need, run

SECRET = 'passwordeval "pass show bob@home.test"'
LETTER = b"From: bob@home.test\nTo: bob@home.test\nSubject: set up\n\nIt works.\n"


def files(dev: Environment, client: str, directory: Path) -> dict[str, Path]:
    """What the steps have to be written, by the name of the file, with bob's password and boxes in this directory."""
    steps = json.loads(dev.mailstack("setup", client, "bob@home.test", "--json"))["steps"]
    found = {}
    for step in steps:
        if step.get("file"):
            path = directory / Path(step["file"]).name
            path.write_text(step["text"].replace(SECRET, "password bob").replace("~", str(directory)))
            path.chmod(0o600)
            found[path.name] = path
    return found


def test_msmtp_sends_and_mpop_fetches_with_the_files_as_told(dev: Environment, tmp_path: Path) -> None:
    need("msmtp", "mpop")
    written = files(dev, "msmtp+mpop", tmp_path)
    run(f"msmtp -C {written['.msmtprc']} -a home.test -- bob@home.test", octets=LETTER)
    run(f"mpop -C {written['.mpoprc']} home.test")
    assert "It works." in (tmp_path / "mbox").read_text()


def test_mutt_sends_with_the_file_as_told(dev: Environment, tmp_path: Path) -> None:
    need("mutt")
    written = files(dev, "mutt", tmp_path)
    home = {"HOME": str(tmp_path), "MUTT_NONE": ""}
    run(
        f"mutt -n -F {written['.muttrc']} -e 'set smtp_pass=bob copy=no' -s 'set up' bob@home.test",
        environ=home,
        octets=b"It works.\n",
    )
    (letter,) = dev.letters()
    assert b"Subject: set up" in letter
    assert b"bob@home.test>" in letter
