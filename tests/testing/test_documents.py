"""Examples of the documentation, run as printed, and the completeness of the reference."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from mailstack import testing
from mailstack.testing import pytest_plugin
from mailstack.testing.server_interface import ServerFaults
from mailstack.testing.waiter import LetterKeywords

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
IMPORT = re.compile(r"^ *(?:from (mailstack[.\w]*) import ([\w, ]+)|import (mailstack[.\w]*))", re.MULTILINE)


def blocks(document):
    return re.findall(r"^```python\n(.*?)^```", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)


def test_documents_import_nothing_of_mailstack_but_the_public_test_api():
    """Documents for users; explanations and decisions are about the inside, and name what is there."""
    imported = set()
    for document in [ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("howto/*.md"), *DOCS.glob("reference/*.md")]:
        text = document.read_text()
        for module, names, other in IMPORT.findall(text):
            assert module == "mailstack.testing", f"{document.name} imports {module or other}"
            imported |= set(re.split(r", *", names.strip()))
        # A dotted name of a class says where to import it from, too.
        for module in re.findall(r"(?<![\w.])(mailstack(?:\.\w+)*)\.[A-Z]\w+", text):
            assert module == "mailstack.testing", f"{document.name} names a class of {module}"
    assert {"LocalMailServer", "Internet", "smtpd"} <= imported <= set(testing.__all__)


def test_the_drop_in_for_aiosmtpd_as_the_how_to_has_it(capsys):
    example = blocks("howto/move-from-smtpdfix.md")[-1]
    send = "    import smtplib\n    with smtplib.SMTP(controller.hostname, controller.port) as smtp:\n"
    send += "        smtp.sendmail('a@shop.example', 'b@home.test', 'Subject: Hello\\r\\n\\r\\nHi')\n"
    exec(compile(example + send, "move-from-smtpdfix.md", "exec"), {})
    assert capsys.readouterr().out.endswith("\nHello\n")


def test_the_tutorial(pytester):
    application, reset, travel = blocks("tutorial-testing.md")
    pytester.makepyfile(app=application, test_reset=reset, test_travel=travel)
    pytester.syspathinsert()
    pytester.makeini("[pytest]\nfilterwarnings = error")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_what_the_reference_shows_of_faults_and_of_the_internet(pytester):
    faults, internet, *_ = blocks("reference/pytest.md")
    lines = "".join(f"    {line}\n" for line in faults.splitlines())
    pytester.makepyfile(
        test_faults=f"from mailstack.testing import full_mailbox\n\ndef test_faults(mailstack):\n{lines}"
        "    assert len(mailstack.faults.list()) == 3\n",
        test_internet=internet + "    assert b'bob@b.test' in bounce.octets\n",
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_failure_that_the_tutorial_shows(pytester):
    application, reset, _ = blocks("tutorial-testing.md")
    wrong = reset.replace('(to="bob@home.test", subject="Reset")', '(to="bbo@home.test", subject="Reset", timeout=0.1)')
    assert wrong != reset
    pytester.makepyfile(app=application, test_reset=wrong)
    pytester.syspathinsert()
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(
        [
            "*NoSuchLetter: no letter to bbo@home.test with 'Reset' in its subject arrived within 0.1 s",
            "*These messages are here:",
            "* from noreply@shop.example to bob@home.test: 'Reset your password' (not to bbo@home.test)",
        ]
    )


TEXT = (Path(__file__).parent.parent.parent / "docs/reference/pytest.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def public(kind):
    names = {name for name in dir(kind) if not name.startswith("_")}
    sources = [
        inspect.getsource(each.__init__) for each in kind.__mro__ if "__init__" in vars(each) and each is not object
    ]
    return names.union(*(re.findall(r"^        self\.([a-z]\w*)(?::.*)? =", each, re.MULTILINE) for each in sources))


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


def test_every_name_of_a_mailbox_and_its_folders_is_documented():
    documented = set(re.findall(r"`\.(\w+)", SECTIONS["A mailbox"]))
    of_messages = public(testing.FolderMessage) - public(testing.Letter)
    assert documented == public(testing.UserMailbox) | public(testing.MailFolder) | of_messages


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
