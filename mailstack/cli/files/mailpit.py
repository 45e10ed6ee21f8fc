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

from mailstack.cli.output import CommandError
from mailstack.cli.progress import Tally, progress_bar
from mailstack.letter import LetterId
from mailstack.letter.mail_files import LetterWriter

BATCH = 500
"""Messages of one list request."""
MAX_MESSAGES = 1_000_000
"""Maximum messages in total."""
MAX_SIZE = 256 * 1024 * 1024
"""Maximum octets of a message."""
MAX_LIST = 64 * 1024 * 1024
"""Maximum octets of a list response."""
TIMEOUT_S = 60.0
"""Maximum seconds without data."""
_PIECE = 65536
_ONE_ALONE = {404, 410, 500}
"""Status codes for one missing or damaged message."""
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}\Z")
"""Message id that is safe as a file name."""


def dump_from(url: str, folder: LetterWriter, *, as_json: bool) -> None:
    """Writes all messages, newest first. Raises CommandError."""
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise CommandError(f"{url!r} is not a URL such as http://127.0.0.1:8025")
    base = url.rstrip("/")
    tally = Tally(as_json=as_json)
    try:
        messages = list(_messages(base))
        with progress_bar("Fetching", len(messages), as_json=as_json) as step:
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
            f"{url}: {error.code} {error.reason}; is it the URL of the web interface, without a login?"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = error.reason if isinstance(error, URLError) else error
        raise CommandError(f"{url} returned no letters: {why}") from None
    tally.end("exported", {"exported": "exported", "known": "there already", "damaged": "damaged"})


def _fetch(
    url: str, folder: LetterWriter, letter: LetterId, sender: str, at: float, tally: Tally
) -> None:  # each of a type of its own
    """Writes one message; a damaged one is reported and skipped."""
    try:
        answer = _get(url)
    except HTTPError as error:
        if error.code not in _ONE_ALONE:
            raise
        tally.count("damaged", letter, letter, f"not exported: the server replied {error.code} {error.reason}")
        return
    with answer:
        folder.add(letter, sender, at, _octets(answer))
    tally.count("exported", "", letter)


def _messages(base: str) -> Iterator[tuple[str, str, float]]:
    """Id, sender and arrival of each message. Raises OSError, or another error for an invalid response."""
    seen: set[str] = set()
    for start in range(0, MAX_MESSAGES, BATCH):
        with _get(f"{base}/api/v1/messages?start={start}&limit={BATCH}") as answer:
            octets = answer.read(MAX_LIST + 1)
        if len(octets) > MAX_LIST:
            raise ValueError("its message list is too large")
        some = json.loads(octets)["messages"]
        for message in some:
            name = str(message["ID"])
            if not _ID.match(name):
                raise ValueError(f"{name[:40]!r} is not a message id")
            if name not in seen:
                seen.add(name)
                yield name, _sender(message), datetime.fromisoformat(str(message["Created"])).timestamp()
        if len(some) < BATCH:
            return
    raise ValueError(f"it has more than {MAX_MESSAGES} messages")


def _octets(answer: IO[bytes]) -> Iterator[bytes]:
    """Pieces of a response. Raises ValueError if it is too large."""
    left = MAX_SIZE
    while octets := answer.read(_PIECE):
        left -= len(octets)
        if left < 0:
            raise ValueError(f"a message has more than {MAX_SIZE} octets")
        yield octets


def _sender(message: dict[str, Any]) -> str:
    address = str((message.get("From") or {}).get("Address", ""))
    return address if address.isascii() and address.isprintable() and " " not in address else ""


def _get(url: str) -> IO[bytes]:
    found: IO[bytes] = urlopen(Request(url), timeout=TIMEOUT_S)  # noqa: S310 - it is http or https
    return found
