"""Table of the how-to "your framework" against its sections. The package checks run the blocks."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import DOCS, blocks
from tests.docs.framework_settings import MODULE, written

DOCUMENT = "howto/your-framework.md"
BLOCKS = blocks(DOCUMENT)
TRIED = dict(
    re.findall(r"^\| ([\w. ()]+) \| (.*) \|$", (DOCS / DOCUMENT).read_text().split("| framework |")[1], re.MULTILINE)
)


def test_the_table_has_every_section():
    assert set(TRIED) - {"tried"} == set(BLOCKS)


@pytest.mark.parametrize("name", BLOCKS)
def test_both_ways_of_a_framework(name):
    """First without TLS and login, then with both."""
    found = [text for _, text in BLOCKS[name]]
    if name == "PHP mail()":
        assert "mailstack-sendmail" in found[0]
        return
    plain, secure = found
    assert re.search(r"127\.0\.0\.1.*1025", plain, re.DOTALL)
    assert "localhost" in secure
    assert "1587" in secure
    assert "alice" in secure or "noreply@example.org" in secure


def test_the_page_has_the_settings_of_the_document():
    assert MODULE.read_text() == written(), "write the page's settings anew with `python -m tests.docs`"


def test_the_names_of_what_is_run():
    """`packaging/frameworks.py` stands beside the documents in a checkout only."""
    program = DOCS.parent / "packaging/frameworks.py"
    if program.is_file():
        run = set(re.findall(r'^    "([^"]+)": \(', program.read_text(), re.MULTILINE))
        assert {name for name, tried in TRIED.items() if "by the package checks" in tried} == run
