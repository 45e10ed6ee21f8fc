"""A letter answered with 250 is delivered, or still owed, after any crash, and never doubled here (RFC 5321 §6.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crashes import Crashes

RUNS = 3


@pytest.mark.parametrize("workers", [1, 2])
def test_no_letter_is_lost_or_doubled_by_sigkill_under_load(tmp_path: Path, workers: int) -> None:
    """RLY-14, SMTP-29, POP-29: `make crash` does the same as often as one likes."""
    crashes = Crashes(tmp_path, seed=5321, workers=workers)
    try:
        crashes.calm()
        for number in range(RUNS):
            crashes.crash(number)
        crashes.stop()
    finally:
        crashes.home.kill()
        crashes.away.kill()
    assert crashes.tally.crashes == RUNS
    assert crashes.tally.letters > RUNS
