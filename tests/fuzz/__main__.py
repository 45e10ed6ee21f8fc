"""Goes through the targets, a process each: `python -m tests.fuzz [--seconds N] [--rounds N] [TARGET…]`.

What is found is kept in tests/parsers/found, where the tests feed it again. What reached something new is kept in
.fuzz, for the next time.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.target import FOUND, PARSERS, run

ROOT = Path(__file__).parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together, in equal shares (600)")
    parser.add_argument("--rounds", type=int, default=1, help="how often to go through the targets in that time (1)")
    parser.add_argument("--corpus", type=Path, default=ROOT / ".fuzz", help="where to keep what reached something new")
    parser.add_argument("target", nargs="*", help=f"some of {', '.join(PARSERS)}")
    given = parser.parse_args()
    if unknown := set(given.target) - set(PARSERS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(PARSERS)}")
    return given


def fuzz(name: str, seconds: float, corpus: Path) -> str:
    """What a target said when it found something; "" when it didn't. A fork costs nothing, and the imports seconds."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory() as directory:
        child = os.fork()
        if not child:
            tempfile.tempdir = directory  # for nothing is tidied up when libFuzzer ends a process
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            run(name, seconds, corpus / name)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        text = said.read().decode(errors="replace")
    if not any((found := FOUND / name).iterdir()):
        found.rmdir()
    runs = re.search(r"^(\d+) runs$", text, re.MULTILINE)
    print(f"{name:24} {runs[1] if runs else '?':>9} runs  {'FOUND SOMETHING' if status else 'ok'}", flush=True)  # noqa: T201
    return f"== {name}\n{text[-8000:]}" if status else ""


def main() -> int:
    given = arguments()
    names = given.target or list(PARSERS)
    begun, share = time.monotonic(), given.seconds / len(given.target or PARSERS) / given.rounds
    trouble = [said for _ in range(given.rounds) for name in names if (said := fuzz(name, share, given.corpus))]
    print(f"{len(names)} targets, {time.monotonic() - begun:.0f} s, {len(trouble)} findings (in {FOUND})")  # noqa: T201
    print("\n".join(trouble), file=sys.stderr)  # noqa: T201
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
