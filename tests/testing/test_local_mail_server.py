"""An office for tests does what the real ones do, and tells a test what it wants to know."""

from __future__ import annotations

import asyncio
import json
import os
import re
import smtplib
import subprocess
import sys
import tempfile
import threading
import time
from email.policy import SMTP
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from twisted.internet.error import CannotListenError

from mailstack.testing import LocalMailServer, NoSuchLetter
from mailstack.testing.certificates import keys_directory
from tests.testing.sending import collect, hand_in, letter, submit
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def shared():
    with LocalMailServer() as office:
        yield office


@pytest.fixture
def office(shared):
    shared.clear()
    return shared


def test_what_is_handed_in_is_there_once_the_client_heard_250(office):
    for number in range(20):
        hand_in(office, "bob@home.test", f"number {number}")
        assert [each.subject for each in office.letters] == [f"number {each}" for each in range(number + 1)]


def test_a_letter_has_its_envelope_as_sent_and_what_it_says(office):
    message = letter(
        "bob@home.test",
        "Réinitialiser",
        "Your code is 482913.\n",
        html='<p>Or <a href="https://shop.example/r?t=1">here</a>',
    )
    message["Cc"] = "carol@elsewhere.test"
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="terms.pdf")
    with smtplib.SMTP(office.capture.host, office.capture.port, timeout=10) as client:
        client.sendmail(
            "bounces@shop.example", ["bob@home.test", "hidden@elsewhere.test"], message.as_bytes(policy=SMTP)
        )
    (found,) = office.letters
    assert (found.sender, found.recipients) == ("bounces@shop.example", ["bob@home.test", "hidden@elsewhere.test"])
    assert (found.subject, found.text.strip()) == ("Réinitialiser", "Your code is 482913.")
    assert "<a href" in found.html
    assert found.links() == [found.link()] == ["https://shop.example/r?t=1"]
    assert found.link(r"/r\?t=") == found.link()
    assert found.code() == "482913"
    assert [(each.name, each.type, each.content) for each in found.attachments] == [
        ("terms.pdf", "application/pdf", b"%PDF")
    ]
    assert found.attachment("terms.pdf").content == b"%PDF"
    assert found.message["To"] == found.headers["to"] == "bob@home.test"
    assert b"\r\nSubject: " in found.raw
    for what in (lambda: found.link("nowhere"), lambda: found.attachment("x")):
        with pytest.raises(LookupError):
            what()


def test_no_code_and_no_link_are_errors_that_say_so(office):
    hand_in(office, "bob@home.test", text="Nothing of that kind")
    with pytest.raises(LookupError, match="no code is in the letter: 'Nothing of that kind"):
        office.letters[0].code()
    with pytest.raises(LookupError, match="no links fit; there are"):
        office.letters[0].link()


def test_a_letter_to_elsewhere_really_travels_and_is_one_letter(office):
    submit(office, "carol@elsewhere.test", subject="Far away")
    found = office.wait_for_letter(to="carol@elsewhere.test", subject="Far")
    journey = office.journey(found)
    assert [step.step for step in journey if step.office == "mx.world.test"] == ["exchanged", "routed", "delivered"]
    assert journey.names[0] == "submitted"
    assert "into the mailbox of carol@elsewhere.test" in str(journey)
    assert len(office.letters) == 1
    (read,) = collect(office, "carol@elsewhere.test", "carol@elsewhere.test")
    assert b"Subject: Far away" in read
    assert office.letters[0].subject == "Far away", "a letter that its reader deleted can still be looked at"


def test_only_exactly_this_address_fits(office):
    hand_in(office, "rob@home.test")
    hand_in(office, "bob@home.test.example")
    office.assert_no_letter(to="ob@home.test", within=0)
    office.assert_no_letter(to="bob@home.test", within=0)
    assert office.wait_for_letter(to="ROB@Home.Test").recipients == ["rob@home.test"]


@pytest.mark.parametrize(
    "wish",
    [
        {"subject": "TWO"},
        {"subject": re.compile("^t.o$")},
        {"sender": "second@shop.example"},
        {"to": "carol@elsewhere.test"},
        {"query": "subject:two"},
        {"query": 'to:carol@elsewhere.test -from:first "hi there"'},
        {"subject": "two", "sender": "second@shop.example", "to": "carol@elsewhere.test", "query": "two"},
    ],
)
def test_every_wish_leaves_out_the_others(office, wish):
    hand_in(office, "bob@home.test", "one", sender="first@shop.example")
    hand_in(office, "carol@elsewhere.test", "two", sender="second@shop.example")
    hand_in(office, "dan@elsewhere.test", "three", sender="third@shop.example")
    assert office.wait_for_letter(**wish).subject == "two"
    first, second, third = office.letters
    assert office.wait_for_letter(after=first, **wish).id == second.id
    office.assert_no_letter(after=second, within=0, **wish)
    assert [each.id for each in office.wait_for_letters(3)] == [first.id, second.id, third.id]


def test_who_waits_in_vain_is_told_what_came_and_why_it_does_not_fit(office):
    hand_in(office, "bob@home.test", "Welcome")
    with pytest.raises(NoSuchLetter) as failure:
        office.wait_for_letter(to="carol@elsewhere.test", subject="Reset", sender="x@shop.example", timeout=0.05)
    told = str(failure.value)
    assert (
        "no letter to carol@elsewhere.test with 'Reset' in its subject from x@shop.example came within 0.05 s" in told
    )
    assert (
        "from app@shop.example to bob@home.test: 'Welcome' (not to carol@elsewhere.test; 'Reset' is not in its" in told
    )


def test_who_waits_while_nothing_comes_at_all_is_told_the_ports(office):
    with pytest.raises(NoSuchLetter, match=f"No letter was handed in at all.*port {office.capture.port} "):
        office.wait_for_letter(timeout=0.02)
    with pytest.raises(NoSuchLetter, match="no 2 came of: letter"):
        office.wait_for_letters(2, timeout=0.02)


def test_a_letter_that_should_not_come_is_shown(office):
    thread = threading.Timer(0.05, hand_in, [office, "bob@home.test", "Spam"])
    thread.start()
    with pytest.raises(NoSuchLetter, match=r"no letter to bob@home\.test should come, but one did:\n.*'Spam'"):
        office.assert_no_letter(to="bob@home.test", within=10)
    thread.join(PATIENCE)
    office.assert_no_letter(subject="Other", within=0.02)


def test_a_wish_that_makes_no_sense_is_an_error_of_the_test(office):
    with pytest.raises(ValueError, match="an @"):
        office.wait_for_letter(to="bob")
    with pytest.raises(ValueError, match="size"):
        office.wait_for_letter(query="larger:huge")
    hand_in(office, "bob@home.test", "Welcome")
    with pytest.raises(NoSuchLetter, match=r"'subject:bye' does not find it"):
        office.wait_for_letter(query="subject:bye", timeout=0.05)


def test_accounts_and_aliases_work_at_once(office):
    with pytest.raises(smtplib.SMTPAuthenticationError):
        submit(office, "bob@home.test", "dan@home.test", "secret")
    office.add_account("dan@home.test", "secret")
    office.add_alias("team@home.test", "dan@home.test", "eve@elsewhere.test")
    submit(office, "team@home.test", "dan@home.test", "secret")
    sent = office.wait_for_letter(to="team@home.test")
    assert (
        office.wait_for_letter(to="eve@elsewhere.test").id == office.wait_for_letter(to="dan@home.test").id == sent.id
    )
    assert (
        len(collect(office, "dan@home.test", "secret"))
        == len(collect(office, "eve@elsewhere.test", "eve@elsewhere.test"))
        == 1
    )


def test_cleared_is_empty_mailboxes_and_all(office):
    submit(office, "bob@home.test")
    submit(office, "carol@elsewhere.test")
    before = office.wait_for_letters(2)
    office.clear()
    assert office.letters == []
    assert (
        collect(office, "bob@home.test", "bob") == collect(office, "carol@elsewhere.test", "carol@elsewhere.test") == []
    )
    with pytest.raises(LookupError):
        office.journey(before[0])


def test_all_ports_speak_and_trust_the_one_ca(office):
    with smtplib.SMTP_SSL(
        office.submissions.host, office.submissions.port, context=office.ssl_context, timeout=10
    ) as client:
        assert client.login("bob@home.test", "bob")[0] == 235
    assert Path(office.ca_file).read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    with LocalMailServer() as other:
        assert other.ca_file == office.ca_file
        assert other.capture.port != office.capture.port
        hand_in(other, "bob@home.test")
        assert office.letters == []


def test_from_asyncio_the_loop_turns_while_a_coroutine_waits(office):
    async def program():
        await asyncio.to_thread(hand_in, office, "bob@home.test", "Later")

    async def main():
        sending = asyncio.create_task(program())
        found = await office.wait_for_letter_async(to="bob@home.test")
        await sending
        assert [found.id] == [each.id for each in await office.wait_for_letters_async(1)]
        await office.assert_no_letter_async(to="carol@elsewhere.test", within=0.01)
        with pytest.raises(NoSuchLetter, match=r"Later(?!.*stood still)"):
            await office.wait_for_letter_async(subject="Never", timeout=0.02)
        # A plain call does not hang in a running loop either: it waits for another thread.
        assert office.wait_for_letter(to="bob@home.test").subject == "Later"
        with pytest.raises(NoSuchLetter, match="event loop stood still"):
            office.wait_for_letter(subject="Never", timeout=0.02)

    asyncio.run(main())


def test_many_threads_wait_at_once(office):
    found = {}

    def wait(number):
        found[number] = office.wait_for_letter(to=f"user{number}@home.test.example", timeout=20).subject

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in reversed(range(8)):
        hand_in(office, f"user{number}@home.test.example", f"for {number}")
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {number: f"for {number}" for number in range(8)}


def test_an_office_that_does_not_run_says_so():
    office = LocalMailServer()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = office.capture
    office.stop()
    with office, pytest.raises(RuntimeError, match="make another"):
        office.start()
    with pytest.raises(RuntimeError, match="does not run"):
        office.wait_for_letter()


def test_an_office_that_can_not_start_leaves_nothing_behind(tmp_path, monkeypatch):
    keys_directory()  # of all offices of the process, where it belongs
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(CannotListenError):
        LocalMailServer(host="192.0.2.1").start()
    assert list(tmp_path.iterdir()) == []


def test_a_connection_left_open_does_not_hold_up_the_end():
    with LocalMailServer() as office:
        client = smtplib.SMTP(office.submission.host, office.submission.port, timeout=10)
        client.starttls(context=office.ssl_context)
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE, "it would have been let go after five minutes"
    client.close()


def test_a_forked_process_has_offices_of_its_own(office):
    child = os.fork()
    if not child:  # pragma: no cover - another process
        status = 1
        try:
            with pytest.raises(RuntimeError, match="runs in the parent"):
                _ = office.letters
            hand_in(office, "bob@home.test", "From the child")
            with LocalMailServer() as own:
                hand_in(own, "bob@home.test", "Within the child")
                assert own.wait_for_letter().subject == "Within the child"
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert office.wait_for_letter(to="bob@home.test").subject == "From the child"


def by_http(office, path, body=None):
    octets = None if body is None else json.dumps(body).encode()
    request = Request(office.web + path, octets, {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_what_programs_in_other_languages_do_by_http_is_the_same():
    with LocalMailServer() as office:
        by_http(office, "v1/accounts", {"address": "dan@home.test", "password": "secret"})
        by_http(office, "v1/faults", {"at": "final", "service": "smtp", "reply": "451 4.3.0 not now", "times": 1})
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            hand_in(office, "dan@home.test", "Verify", "Your code is 482913\n")
        hand_in(office, "dan@home.test", "Verify", "Your code is 482913\n")
        (waited_for,) = by_http(office, "v1/wait?to=dan@home.test&subject=verify&timeout=10")["letters"]
        found = office.wait_for_letter(to="dan@home.test", subject="verify")
        assert (waited_for["id"], waited_for["codes"]) == (found.id, [found.code()])
        assert [fired for _, fired in office.faults.list()] == [1]
        assert by_http(office, "v1/clock", {"advance": "1h"})["ahead"] == pytest.approx(3600, abs=1)
        assert len(collect(office, "dan@home.test", "secret")) == 1


def test_a_test_may_stop_the_time_of_its_program(office, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    submit(office, "carol@elsewhere.test")
    office.wait_for_letter(to="carol@elsewhere.test")
    with pytest.raises(NoSuchLetter):
        office.wait_for_letter(to="dan@elsewhere.test", timeout=0.02)
    with LocalMailServer() as another:
        submit(another, "carol@elsewhere.test")
        another.wait_for_letter(to="carol@elsewhere.test")


ALONE = """
import sys
from mailstack.testing import LocalMailServer
from tests.testing.sending import hand_in, submit
with LocalMailServer() as office:
    submit(office, "carol@elsewhere.test")
    office.wait_for_letter(to="carol@elsewhere.test")
assert "twisted.internet.reactor" not in sys.modules, "whoever runs this can no longer choose the process's reactor"
forgotten = LocalMailServer().start()
print("done")
"""


def test_the_process_may_choose_its_own_reactor_and_leaves_nothing_of_an_office_forgotten(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.stdout, run.stderr, run.returncode) == ("done\n", "", 0)
    assert list(tmp_path.iterdir()) == []
