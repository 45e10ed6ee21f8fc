"""Writes the generated pages of docs/reference anew: `python -m tests.reference`."""

from tests.reference import commands, settings, simulation

for page in (commands, settings, simulation):
    page.DOCUMENT.write_text(page.written())
