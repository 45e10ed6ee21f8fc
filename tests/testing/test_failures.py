"""Failures of tests that use the public test API: no frame of it, and a message in its words."""

from __future__ import annotations

import re

import pytest

from mailstack.testing import Internet, LocalMailServer
from tests.testing.sending import hand_in, submit

INTERNAL = re.compile(r"^\S*(?:mailstack/|site-packages/|concurrent/|contextlib)\S*\.py:\d+", re.MULTILINE)

FAILING = """
    import asyncio
    import pytest
    from aids import hand_in
    from mailstack.testing import Fault

    def test_wait(mailstack):
        mailstack.wait_for_letter(to="bob@home.test", timeout=0.01)

    def test_wait_for_many(mailstack):
        hand_in(mailstack, "bob@home.test")
        mailstack.wait_for_letters(2, timeout=0.01)

    def test_no_letter(mailstack):
        hand_in(mailstack, "bob@home.test")
        mailstack.assert_no_letter(to="bob")

    def test_query(mailstack):
        mailstack.wait_for_letter(query="colour:red")

    def test_conflict(mailstack):
        mailstack.add_account("bob", "secret")

    def test_code(mailstack):
        hand_in(mailstack, "bob@home.test")
        mailstack.wait_for_letter().code()

    def test_fault(mailstack):
        mailstack.faults.add(at="lunch", drop="before")

    def test_no_fault(mailstack):
        mailstack.faults.remove("f7")

    def test_refused(internet):
        internet.host("mx.a.test", domains=["a.test"], accounts=["ann"])
        internet.faults.add(Fault(at="rcpt", reply="550 5.1.1 no"))
        internet.author("ann").submit(to="bob@b.test")

    def test_not_reached(internet):
        internet.host("mx.a.test", domains=["a.test"], accounts=["ann"])
        internet.run(lambda: False, at_most=5)

    def test_no_account(internet):
        internet.host("mx.a.test", domains=["a.test"], accounts=["an n"])
"""


def test_a_failure_shows_the_line_of_the_test_and_no_frame_of_the_api(pytester):
    pytester.makepyfile(
        aids="""
        import smtplib

        def hand_in(server, to):
            with smtplib.SMTP(server.capture.host, server.capture.port, timeout=10) as client:
                client.sendmail("app@shop.example", [to], "Subject: Hello\\r\\n\\r\\nHi\\r\\n")
        """,
        test_failing=FAILING,
    )
    pytester.syspathinsert()
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    count = FAILING.count("def test_")
    result.assert_outcomes(failed=count)
    shown = result.stdout.str()
    assert INTERNAL.findall(shown) == []
    assert len(re.findall(r"^test_failing\.py:\d+: \w+$", shown, re.MULTILINE)) == count
    assert "The above exception" not in shown
    assert "During handling" not in shown
    assert "The transcript ends with:" in shown


def test_the_frames_are_shown_on_request(pytester):
    pytester.makepyfile("def test_it(mailstack):\n    mailstack.wait_for_letter(timeout=0.01)\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--full-trace")
    result.stdout.fnmatch_lines(["*local_mail_server.py:*"])


def test_an_option_of_a_marker_that_does_not_exist_is_named(pytester):
    pytester.makepyfile("""
        import pytest

        @pytest.mark.mailstack(retyr=3)
        def test_one(mailstack):
            pass

        @pytest.mark.internet(7)
        def test_two(internet):
            pass
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.mailstack got an unexpected option 'retyr'; expected one of host, *, retry, give_up",
            "@pytest.mark.internet takes keyword arguments only, and got 7",
        ]
    )
    assert INTERNAL.findall(result.stdout.str()) == []


@pytest.fixture(scope="module")
def server():
    with LocalMailServer() as server:
        yield server


@pytest.mark.parametrize(
    ("function", "arguments", "limit"),
    [
        ("wait_for_letter", (), "timeout"),
        ("wait_for_letters", (2,), "timeout"),
        ("assert_no_letter", (), "within"),
    ],
)
def test_an_unexpected_criterion_is_named_with_those_that_exist(server, function, arguments, limit):
    with pytest.raises(TypeError) as error:
        getattr(server, function)(*arguments, subjet="Reset")
    assert str(error.value) == (
        f"{function}() got an unexpected criterion 'subjet'; expected one of to, subject, sender, query, after, {limit};"
        " did you mean subject?"
    )


async def _async(server, function, *arguments):
    await getattr(server, function)(*arguments, colour="red")


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("wait_for_letter_async", ()), ("wait_for_letters_async", (2,)), ("assert_no_letter_async", ())],
)
def test_the_same_for_coroutines(server, function, arguments):
    with pytest.raises(TypeError, match=rf"^{function}\(\) got an unexpected criterion 'colour'; expected one of to,"):
        _async(server, function, *arguments).send(None)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda server: server.add_account("b b", "x"), ValueError, "'b b@home.test' is not an address: "),
        (lambda server: server.wait_for_letter(to="@"), ValueError, "'@' is not an address: "),
        (lambda server: server.advance("soon"), ValueError, "advance() takes a duration such as"),
        (lambda server: server.faults.add(att="rcpt"), ValueError, "did you mean at?"),
        (lambda server: server.faults.add({"at": "rcpt"}), ValueError, "faults.add(): the rule has no effect"),
        (lambda server: server.faults.add({"at": "rcpt"}, times=2), ValueError, "faults.add() takes a rule or"),
        (lambda server: server.faults.fired("f7"), KeyError, "there is no fault rule 'f7'"),
    ],
)
def test_an_error_names_the_argument(server, call, error, text):
    with pytest.raises(error) as raised:
        call(server)
    assert text in str(raised.value)


def test_a_name_without_at_is_of_the_first_domain(server):
    server.add_account("ann", "secret")
    server.add_alias("team", "ann", "carol@elsewhere.test")
    submit(server, "team@home.test", "ann@home.test", "secret")
    found = server.wait_for_letter(to="team")
    assert server.wait_for_letter(to="ann") is server.wait_for_letter(to="ANN@home.test") is found
    hand_in(server, "carol@elsewhere.test", "From Bob", sender="bob@home.test")
    assert server.wait_for_letter(sender="bob").subject == "From Bob"


def test_an_account_of_the_simulation_without_at_is_of_the_first_domain_of_its_host():
    internet = Internet()
    first = internet.host("mx.a.test", domains=["a.test", "c.test"], accounts=["ann"], aliases={"info": ["ann"]})
    second = internet.host("mx.b.test", domains=["b.test"], accounts=["bob", "ann"])
    assert (first.accounts, second.accounts) == (("ann@a.test",), ("bob@b.test", "ann@b.test"))
    internet.author("bob").submit(to="info@a.test", subject="Hello")
    internet.author("bob").submit(to="ann", subject="Hello, neighbour")
    internet.run()
    assert [each.subject for each in internet.reader("ann", first).collect()] == ["Hello"]
    assert [each.subject for each in internet.reader("ann", second).collect()] == ["Hello, neighbour"]
    with pytest.raises(LookupError, match=r"2 accounts have the name ann: choose one of ann@a\.test, ann@b\.test"):
        internet.reader("ann")
    with pytest.raises(
        LookupError, match=r"no accounts have the name carol: the accounts are ann@a\.test, bob@b\.test"
    ):
        internet.reader("carol")
    with pytest.raises(ValueError, match="'dan' has no domain"):
        internet.host("mx.d.test", accounts=["dan"])
    with pytest.raises(TypeError, match=r"Internet\.host\(\) got an unexpected argument 'account'; .*mean accounts"):
        internet.host("mx.e.test", domains=["e.test"], account=["eve"])
