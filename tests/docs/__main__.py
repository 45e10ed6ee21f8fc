"""Writes the settings of the page "Your framework" anew from the how-to: `python -m tests.docs`."""

from tests.docs.framework_settings import MODULE, written

MODULE.write_text(written())
