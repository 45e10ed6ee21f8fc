"""docs/reference/pytest.md names all that there is, and nothing else."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from mailstack import testing
from mailstack.testing import pytest_plugin
from mailstack.testing.server_interface import ServerFaults
from mailstack.testing.waiter import LetterKeywords

TEXT = (Path(__file__).parent.parent.parent / "docs/reference/pytest.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def public(kind):
    names = {name for name in dir(kind) if not name.startswith("_")}
    return names | set(
        re.findall(r"^        self\.([a-z]\w*)(?::.*)? =", inspect.getsource(kind.__init__), re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("section", "kinds"),
    [
        ("The server", [testing.LocalMailServer]),
        ("A letter", [testing.Letter, testing.Attachment]),
        ("A journey", [testing.Journey]),
        ("Faults", [ServerFaults]),
    ],
)
def test_every_name_of_an_object_is_told_and_exists(section, kinds):
    told = set(re.findall(r"`\.(\w+)", SECTIONS[section]))
    there = set().union(*map(public, kinds))
    others = {"host", "port", "step", "server", "at", "facts"}
    assert told - others == there
    assert not there & others


def test_every_public_name_is_in_the_reference_and_can_be_imported():
    table = SECTIONS["Names to import"]
    assert set(re.findall(r"`(\w+)`", table)) == set(testing.__all__)
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        testing.Missing  # noqa: B018


def test_every_fixture_is_told():
    fixtures = {
        name for name, value in vars(pytest_plugin).items() if type(value).__name__ == "FixtureFunctionDefinition"
    }
    assert fixtures == set(re.findall(r"^\| `(\w+)`", SECTIONS["Fixtures"].partition("@pytest")[0], re.MULTILINE))


def test_every_option_and_every_wish_is_told_with_its_default():
    options = inspect.signature(testing.LocalMailServer).parameters
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(.*)` \|$", SECTIONS["Fixtures"], re.MULTILINE)
    assert {name: value.strip('"') for name, value in rows} == {
        name: str(each.default) for name, each in options.items()
    }
    wishes = set(re.findall(r"^\| `(\w+)` ", SECTIONS["The server"], re.MULTILINE))
    assert wishes == set(LetterKeywords.__annotations__)


def test_every_default_of_a_wait_is_told():
    for name, told in (("wait_for_letter", "timeout"), ("wait_for_letters", "timeout"), ("assert_no_letter", "within")):
        default = inspect.signature(getattr(testing.LocalMailServer, name)).parameters[told].default
        assert re.search(rf"`\.{name}\([^)]*{told}={default}", TEXT)
