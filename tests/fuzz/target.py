"""One target under atheris, whose libFuzzer prefers octets that reach code no others reached."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import time
import zlib
from pathlib import Path
from typing import NoReturn

import atheris

# It names every module that it instruments.
with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["mailstack"]):
    from tests.parsers import PARSERS
from tests.parsers.parser import FOUND, Parser

__all__ = ["FOUND", "PARSERS", "run"]

_WORD = re.compile(rb"[A-Za-z0-9_.-]{2,}[=:]?|[^A-Za-z0-9]{1,4}")


def run(name: str, seconds: float, corpus: Path) -> NoReturn:
    """Fuzz for so long, and end the process: status 0 means that nothing was found."""
    parser = PARSERS[name]
    found = FOUND / name
    for directory in (corpus, found):
        directory.mkdir(parents=True, exist_ok=True)
    words = corpus.with_name(f"{name}.words")
    _write_seeds(parser, corpus, words)
    count, end = 0, time.monotonic() + seconds

    def feed(octets: bytes) -> None:
        """libFuzzer's own limit is in whole seconds, and is looked at once a second."""
        nonlocal count
        count += 1
        parser.feed(octets)
        if time.monotonic() > end:
            print(f"{count} runs", flush=True)  # noqa: T201
            os._exit(0)

    options = [f"-artifact_prefix={found}/", f"-dict={words}", "-timeout=20", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], str(corpus), *options], feed)
    atheris.Fuzz()
    sys.exit(1)


def _write_seeds(parser: Parser, corpus: Path, words: Path) -> None:
    for seed in parser.seeds:
        Path(corpus, f"seed-{zlib.crc32(seed):08x}").write_bytes(seed)
    found = sorted({word for seed in parser.seeds for word in _WORD.findall(seed)})
    escaped = ["".join([f"\\x{octet:02x}" for octet in word]) for word in found]
    words.write_text("".join([f'"{word}"\n' for word in escaped]))
