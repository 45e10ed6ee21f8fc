"""Writes docs/reference/simulation.md anew from the docstrings: `python -m tests.reference`."""

from tests.reference.simulation import DOCUMENT, written

DOCUMENT.write_text(written())
