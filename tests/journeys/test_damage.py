"""Letters that are damaged on the disk of a running server."""

from __future__ import annotations

import json
import poplib
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.journeys.clients import log_in, send
from tests.journeys.dev import DevProcess
from tests.journeys.process import CONFIG, add_accounts, command, lines_of_json, serve
from tests.journeys.process import server as mail_server
from tests.journeys.test_orders import wait_until
from tests.waiting import PATIENCE

LARGER = 400_000
"""Octets of a content that is sent in several pieces."""


def flip(data: Path, letter: str) -> str:
    """One bit of its content, wherever that is; the name of its file, if it has one."""
    with closing(sqlite3.connect(data / "mailstack.sqlite3", isolation_level=None, timeout=PATIENCE)) as connection:
        ((name, octets),) = connection.execute("SELECT file, octets FROM contents WHERE letter = ?", (letter,))
        if name is None:
            changed = octets[:-5] + bytes([octets[-5] ^ 1]) + octets[-4:]
            connection.execute("UPDATE contents SET octets = ? WHERE letter = ?", (changed, letter))
            return ""
    with (data / "contents" / name[:2] / name).open("r+b") as file:
        file.seek(100)
        octet = file.read(1)[0]
        file.seek(100)
        file.write(bytes([octet ^ 1]))
    return str(name)


def test_a_reader_is_refused_the_damaged_letters_and_gets_the_others(tmp_path: Path, config: Path) -> None:
    with serve(config) as server:
        sizes = (100, 100, 100_000, LARGER, 100, LARGER)
        letters = [
            send(server.ports["submission"], f"n{n}", "bob@home.test", size=size) for n, size in enumerate(sizes)
        ]
        for letter in letters:
            wait_until(config, letter, "delivered")
        damaged = {2, 3, 4}
        for number in damaged:
            flip(tmp_path / "data", letters[number - 1])
        reader = log_in(server.ports["pop3"])
        for number in range(1, len(letters) + 1):
            if number in damaged:
                with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/PERM\]"):
                    reader.retr(number)
            else:
                _, lines, _ = reader.retr(number)
                assert f"Subject: n{number - 1}".encode() in lines
        reader.quit()
        assert "not the" in server.wait_for(f"can't read message {letters[1]} of bob@home.test")
        assert server.stop() == 0


def test_the_relay_holds_a_damaged_letter_and_sends_the_next(tmp_path: Path) -> None:
    """Until it is restored and released. The other server never sees it."""
    place = tmp_path / "other"
    place.mkdir()
    there = place / "mailstack.toml"
    there.write_text(CONFIG.replace("home.test", "elsewhere.test"))
    add_accounts(there, "carol@elsewhere.test")
    with serve(there) as other:
        config = mail_server(tmp_path)
        config.write_text(config.read_text().replace("127.0.0.1:1", f"127.0.0.1:{other.ports['mx']}"))
        command("queue", "pause", "-c", str(config))
        with serve(config) as server:
            port, sizes = server.ports["submission"], (LARGER, 100, LARGER)
            letters = [send(port, f"n{n}", "carol@elsewhere.test", size=size) for n, size in enumerate(sizes)]
            file = flip(tmp_path / "data", letters[0])
            command("queue", "resume", "-c", str(config))
            wait_until(config, letters[1], "relayed")
            wait_until(config, letters[2], "relayed")
            wait_until(config, letters[0], "held")
            (shown,) = lines_of_json(command("queue", "show", "-c", str(config), letters[0], "--json"))
            assert file in json.dumps(shown)
            reader = log_in(other.ports["pop3"], "carol@elsewhere.test", "carol")
            assert reader.stat()[0] == 2
            reader.quit()
            flip(tmp_path / "data", letters[0])
            command("queue", "release", "-c", str(config), letters[0])
            wait_until(config, letters[0], "relayed")
            assert server.stop() == 0
        assert other.stop() == 0


def test_pages_and_the_api_refuse_a_damaged_letter(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with DevProcess(tmp_path, "--data", str(data)) as dev:
        lines = [b"x" * 70 + b"\r\n"]
        texts = [b"Subject: x\r\n\r\n" + b"".join(lines * (size // 72)) for size in (100, LARGER, 100)]
        letters = [dev.capture(text, "bob@home.test") for text in texts]
        # A list is answered once the index has them; it takes no letter that is damaged before.
        urlopen(f"{dev.web}v1/letters", timeout=PATIENCE).close()
        for letter in letters[:2]:
            flip(data, letter)
        for letter in letters[:2]:
            with pytest.raises(HTTPError) as refused:
                urlopen(f"{dev.web}v1/letters/{letter}/source", timeout=PATIENCE)
            assert refused.value.code == 500
            assert "damaged" in refused.value.read().decode()
        with urlopen(f"{dev.web}v1/letters/{letters[2]}/source", timeout=PATIENCE) as answer:
            assert b"Subject: x" in answer.read()
        dev.stop()
