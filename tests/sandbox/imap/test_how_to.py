"""Examples of the how-to, run as printed, and its table."""

from __future__ import annotations

import re
import shlex

import pytest
from click.testing import CliRunner

from mailstack.cli import main
from mailstack.cli.fault_fields import parse_rule
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.imap.profiles import PROFILES
from tests.docs.blocks import DOCS, blocks

TEXT = (DOCS / "howto/imap-clients.md").read_text()
ROWS = {cells[1].strip(" `"): cells for cells in (line.split("|") for line in TEXT.splitlines()) if len(cells) == 7}


def test_the_table_has_the_extensions_and_folders_of_each_profile() -> None:
    for name, profile in PROFILES.items():
        _, _, extensions, folders, *_ = ROWS[name]
        offered = {"THREAD=…" if each.startswith("THREAD") else each for each in profile.offers}
        assert set(extensions.split()) - {"none"} == offered, name
        for path, _ in profile.folders:
            assert path in folders or path.rpartition("/")[2] in folders or name == "exchange"


def test_the_tests_of_the_how_to_pass(pytester: pytest.Pytester) -> None:
    first, second = [text for language, text in blocks("howto/imap-clients.md")["In tests"] if language == "python"]
    pytester.makepyfile(test_first=first, test_second=second)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=8)


def test_the_faults_of_the_how_to_are_rules() -> None:
    commands = re.findall(r"^\$ mailstack fault add (.*)$", TEXT, re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        Fault.from_json(parse_rule(shlex.split(words)))


def test_the_command_names_all_profiles() -> None:
    shown = " ".join(CliRunner().invoke(main, ["dev", "--help"]).output.split())
    assert f"Imitate the IMAP of {', '.join(list(PROFILES)[:-1])}, or a bare server" in shown
    assert CliRunner().invoke(main, ["dev", "--imap-profile", "gmial"]).exit_code == 2
