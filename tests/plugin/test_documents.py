"""What the documents show is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"


def blocks(document):
    return re.findall(r"^```python\n(.*?)^```", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)


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
        test_faults=f"from mailstack.faults import full_mailbox\n\ndef test_faults(mailstack):\n{lines}"
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
            "*NoSuchLetter: no letter to bbo@home.test with 'Reset' in its subject came within 0.1 s",
            "*These letters are here:",
            "* from noreply@shop.example to bob@home.test: 'Reset your password' (not to bbo@home.test)",
        ]
    )
