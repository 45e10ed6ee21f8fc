"""GreenMail's preload.dir: its letters are in their mailboxes when the environment says that it is ready."""

from __future__ import annotations

import poplib
from pathlib import Path

import pytest

from mailstack.cli.compat import overrides_for
from mailstack.cli.output import CommandError
from mailstack.sandbox.dev import DevSettings
from mailstack.sandbox.dev.accounts import preloads_in
from tests.journeys.mailpit import GreenMail


def letter(directory: Path, name: str, octets: bytes = b"Subject: x\n\nx\n") -> Path:
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(octets)
    return file


def test_letters_are_found_by_mailbox_and_folder(tmp_path: Path) -> None:
    second = letter(tmp_path, "bob@x.test/INBOX/2.eml")
    first = letter(tmp_path, "bob@x.test/inbox/1.eml") if (tmp_path / "bob@x.test/inbox").exists() else None
    other = letter(tmp_path, "ann@x.test/INBOX/a.eml")
    letter(tmp_path, "ann@x.test/Sent/b.eml")
    letter(tmp_path, "ann@x.test/INBOX/notes.txt")
    found = preloads_in(tmp_path)
    assert found.letters == (("ann@x.test", other), *([("bob@x.test", first)] if first else []), ("bob@x.test", second))
    assert found.skipped == (tmp_path / "ann@x.test" / "Sent",)
    wish = overrides_for("greenmail", DevSettings(), [f"-Dgreenmail.preload.dir={tmp_path}"], {})
    assert wish.settings(own_ports=False).preload == tmp_path
    assert any("Sent is not read" in line for line in wish.messages)


def test_a_directory_that_is_no_mailbox_stops_the_start(tmp_path: Path) -> None:
    letter(tmp_path, "not an address/INBOX/a.eml")
    with pytest.raises(CommandError, match="not an address"):
        overrides_for("greenmail", DevSettings(), [f"-Dgreenmail.preload.dir={tmp_path}"], {})


def test_letters_are_there_from_the_start(tmp_path: Path) -> None:
    letter(tmp_path, "letters/bob@x.test/INBOX/1.eml", b"From: ann@x.test\nSubject: one\n\nHello\n")
    letter(tmp_path, "letters/bob@x.test/INBOX/2.eml", b"From: ann@x.test\r\nSubject: two\r\n\r\nHello\r\n")
    options = [f"-Dgreenmail.{name}.port=0" for name in ("smtp", "pop3", "api")]
    # Words of one dash are no clusters of short options, of which -h would be one.
    options += [f"-Dgreenmail.{name}" for name in ("auth.disabled", "setup.smtp", "setup.pop3")]
    with GreenMail(tmp_path, *options, f"-Dgreenmail.preload.dir={tmp_path}/letters") as dev:
        client = poplib.POP3(*dev.at("pop3"), timeout=20)
        client.user("bob@x.test")
        client.pass_("anything")
        assert client.stat()[0] == 2
        subjects = [next(line for line in client.retr(n)[1] if line.startswith(b"Subject")) for n in (1, 2)]
        assert subjects == [b"Subject: one", b"Subject: two"]
        client.quit()
        assert dev.api("GET", "api/configuration")["preloadDirectory"] == f"{tmp_path}/letters"
