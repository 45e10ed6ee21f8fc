"""Kills two servers under load: `python -m tests.crash [--runs N] [--seed N] [--first N] [--workers N]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.crashes import Crashes


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.crash", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first run, to repeat one that failed")
    parser.add_argument("--workers", type=int, default=1, help="processes of each server; half of the kills are of one")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mailstack-crash-") as directory:
        crashes = Crashes(Path(directory), given.seed, given.workers)
        try:
            for number in range(given.first, given.first + given.runs):
                try:
                    crashes.crash(number)
                except AssertionError as error:
                    print(f"\nrun {number} of seed {given.seed}: {error}", file=sys.stderr)  # noqa: T201
                    return 1
                print(f"\r{time.monotonic() - begun:6.0f} s  {crashes.tally}", end="", flush=True)  # noqa: T201
        finally:
            for server in (crashes.home, crashes.away):
                server.kill()
    print()  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
