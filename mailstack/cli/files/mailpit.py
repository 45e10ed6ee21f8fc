"""Mailpit API client for `mailstack dump --http`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from mailstack.cli.errors import CommandError
from mailstack.cli.files.progress import Tally, progress
from mailstack.letter import LetterId
from mailstack.letter.files.writers import LetterWriter

BATCH = 500
"""Messages of one list."""
MAX_MESSAGES = 1_000_000
"""Messages in all."""
MAX_SIZE = 256 * 1024 * 1024
"""Octets of one."""
MAX_LIST = 64 * 1024 * 1024
"""Octets of one."""
TIMEOUT_S = 60.0
"""Seconds without an octet."""
_PIECE = 65536
_ONE_ALONE = {404, 410, 500}
"""Codes that say of one message that it is gone or damaged."""
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}\Z")
"""It becomes the name of a file."""


def dump_from(url: str, folder: LetterWriter, *, as_json: bool) -> None:
    """Write all that is there, the newest first. Raises Refused."""
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise CommandError(f"{url!r} is no URL such as http://127.0.0.1:8025")
    base = url.rstrip("/")
    tally = Tally(as_json=as_json)
    try:
        messages = list(_messages(base))
        with progress("Fetching", len(messages), as_json=as_json) as step:
            for name, sender, at in messages:
                letter = LetterId(name)
                if folder.has(letter):
                    tally.count("known", "", letter)
                else:
                    _fetch(f"{base}/api/v1/message/{quote(name)}/raw", folder, letter, sender, at, tally)
                step()
        folder.finish()
    except HTTPError as error:
        raise CommandError(
            f"{url}: {error.code} {error.reason}; is it the address of its pages, and open to everybody?"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = error.reason if isinstance(error, URLError) else error
        raise CommandError(f"{url} gave no letters: {why}") from None
    tally.end("exported", {"exported": "exported", "known": "there already", "damaged": "damaged"})


def _fetch(
    url: str, folder: LetterWriter, letter: LetterId, sender: str, at: float, tally: Tally
) -> None:  # each of a type of its own
    """One message. One that the server itself can't read is named, and the others are fetched."""
    try:
        answer = _get(url)
    except HTTPError as error:
        if error.code not in _ONE_ALONE:
            raise
        tally.count("damaged", letter, letter, f"not exported: the server says {error.code} {error.reason}")
        return
    with answer:
        folder.add(letter, sender, at, _octets(answer))
    tally.count("exported", "", letter)


def _messages(base: str) -> Iterator[tuple[str, str, float]]:
    """Id, sender and arrival of each. Raises OSError, ValueError, KeyError, TypeError, AttributeError for what is none."""
    seen: set[str] = set()
    for start in range(0, MAX_MESSAGES, BATCH):
        with _get(f"{base}/api/v1/messages?start={start}&limit={BATCH}") as answer:
            octets = answer.read(MAX_LIST + 1)
        if len(octets) > MAX_LIST:
            raise ValueError("its list of messages has no end")
        some = json.loads(octets)["messages"]
        for message in some:
            name = str(message["ID"])
            if not _ID.match(name):
                raise ValueError(f"{name[:40]!r} is no id")
            if name not in seen:
                seen.add(name)
                yield name, _sender(message), datetime.fromisoformat(str(message["Created"])).timestamp()
        if len(some) < BATCH:
            return
    raise ValueError(f"it has more than {MAX_MESSAGES} letters")


def _octets(answer: IO[bytes]) -> Iterator[bytes]:
    """Raises ValueError for what is too large."""
    left = MAX_SIZE
    while octets := answer.read(_PIECE):
        left -= len(octets)
        if left < 0:
            raise ValueError(f"a letter there has more than {MAX_SIZE} octets")
        yield octets


def _sender(message: dict[str, Any]) -> str:
    address = str((message.get("From") or {}).get("Address", ""))
    return address if address.isascii() and address.isprintable() and " " not in address else ""


def _get(url: str) -> IO[bytes]:
    found: IO[bytes] = urlopen(Request(url), timeout=TIMEOUT_S)  # noqa: S310 - it is http or https
    return found
