"""Step numbers are unique across processes."""

from __future__ import annotations

import subprocess
import sys

_TWINS = """
import os
from mailstack.store.batch import _sequence

def tell():
    for _ in range(1000):
        print(_sequence.next())
    print(end="", flush=True)

for _ in range(3):
    if not os.fork():
        tell()
        os._exit(0)
    os.wait()
tell()
"""


def test_forked_processes_number_their_steps_apart() -> None:
    """A worker that takes over a letter of another one writes steps beside those that are there."""
    said = subprocess.run([sys.executable, "-c", _TWINS], capture_output=True, text=True, timeout=60, check=True).stdout
    numbers = [int(line) for line in said.split()]
    assert len(numbers) == 4000
    assert len(set(numbers)) == 4000
    assert max(numbers) < 2**63
