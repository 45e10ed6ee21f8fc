"""LocalMailServer: letters, waits, accounts, threads, asyncio."""

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
from mailstack.testing.certificates import key_directory
from tests.testing.sending import collect, hand_in, letter, submit
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def shared():
    with LocalMailServer() as server:
        yield server


@pytest.fixture
def server(shared):
    shared.clear()
    return shared


def test_what_is_handed_in_is_there_once_the_client_heard_250(server):
    for number in range(20):
        hand_in(server, "bob@home.test", f"number {number}")
        assert [each.subject for each in server.letters] == [f"number {each}" for each in range(number + 1)]


def test_a_letter_has_its_envelope_as_sent_and_what_it_says(server):
    html = '<p>Or <a href="https://shop.example/r?t=1">here</a>'
    message = letter("bob@home.test", "Réinitialiser", "Your code is 482913.\n", html=html)
    message["Cc"] = "carol@elsewhere.test"
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="terms.pdf")
    recipients = ["bob@home.test", "hidden@elsewhere.test"]
    with smtplib.SMTP(server.capture.host, server.capture.port, timeout=10) as client:
        client.sendmail("bounces@shop.example", recipients, message.as_bytes(policy=SMTP))
    (found,) = server.letters
    assert (found.sender, found.recipients) == ("bounces@shop.example", recipients)
    assert (found.subject, found.text.strip()) == ("Réinitialiser", "Your code is 482913.")
    assert "<a href" in found.html
    assert found.links() == [found.link()] == ["https://shop.example/r?t=1"]
    assert found.link(r"/r\?t=") == found.link()
    assert found.code() == "482913"
    assert found.codes() == ["482913"]
    (attached,) = found.attachments
    assert (attached.name, attached.type, attached.content) == ("terms.pdf", "application/pdf", b"%PDF")
    assert found.attachment("terms.pdf").content == b"%PDF"
    assert found.message["To"] == found.headers["to"] == "bob@home.test"
    assert b"\r\nSubject: " in found.raw
    for what in (lambda: found.link("nowhere"), lambda: found.attachment("x")):
        with pytest.raises(LookupError):
            what()


def test_no_code_and_no_link_are_errors_that_say_so(server):
    hand_in(server, "bob@home.test", text="Nothing of that kind")
    with pytest.raises(LookupError, match="the message has no one-time code: 'Nothing of that kind"):
        server.letters[0].code()
    assert server.letters[0].codes() == []
    with pytest.raises(LookupError, match="no links match; the message has"):
        server.letters[0].link()


def test_a_letter_to_elsewhere_really_travels_and_is_one_letter(server):
    submit(server, "carol@elsewhere.test", subject="Far away")
    found = server.wait_for_letter(to="carol@elsewhere.test", subject="Far")
    journey = server.journey(found)
    assert [step.step for step in journey if step.server == "mx.world.test"] == ["exchanged", "routed", "delivered"]
    assert journey.names[0] == "submitted"
    assert "into the mailbox of carol@elsewhere.test" in str(journey)
    assert len(server.letters) == 1
    (read,) = collect(server, "carol@elsewhere.test")
    assert b"Subject: Far away" in read
    assert server.letters[0].subject == "Far away", "a letter that its reader deleted can still be looked at"


def test_only_exactly_this_address_fits(server):
    hand_in(server, "rob@home.test")
    hand_in(server, "bob@home.test.example")
    server.assert_no_letter(to="ob@home.test", within=0)
    server.assert_no_letter(to="bob@home.test", within=0)
    assert server.wait_for_letter(to="ROB@Home.Test").recipients == ["rob@home.test"]


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
def test_every_wish_leaves_out_the_others(server, wish):
    hand_in(server, "bob@home.test", "one", sender="first@shop.example")
    hand_in(server, "carol@elsewhere.test", "two", sender="second@shop.example")
    hand_in(server, "dan@elsewhere.test", "three", sender="third@shop.example")
    assert server.wait_for_letter(**wish).subject == "two"
    first, second, third = server.letters
    assert server.wait_for_letter(after=first, **wish).id == second.id
    server.assert_no_letter(after=second, within=0, **wish)
    assert [each.id for each in server.wait_for_letters(3)] == [first.id, second.id, third.id]


def test_who_waits_in_vain_is_told_what_came_and_why_it_does_not_fit(server):
    hand_in(server, "bob@home.test", "Welcome")
    with pytest.raises(NoSuchLetter) as failure:
        server.wait_for_letter(to="carol@elsewhere.test", subject="Reset", sender="x@shop.example", timeout=0.05)
    wanted = "no letter to carol@elsewhere.test with 'Reset' in its subject from x@shop.example arrived within 0.05 s"
    found = "from app@shop.example to bob@home.test: 'Welcome' (not to carol@elsewhere.test; 'Reset' is not in its"
    assert wanted in str(failure.value)
    assert found in str(failure.value)


def test_who_waits_while_nothing_comes_at_all_is_told_the_ports(server):
    with pytest.raises(NoSuchLetter, match=f"No message was submitted.*port {server.capture.port} "):
        server.wait_for_letter(timeout=0.02)
    with pytest.raises(NoSuchLetter, match="fewer than 2 messages of: letter"):
        server.wait_for_letters(2, timeout=0.02)


def test_a_letter_that_should_not_come_is_shown(server):
    thread = threading.Timer(0.05, hand_in, [server, "bob@home.test", "Spam"])
    thread.start()
    with pytest.raises(NoSuchLetter, match=r"expected no letter to bob@home\.test, but found:\n.*'Spam'"):
        server.assert_no_letter(to="bob@home.test", within=10)
    thread.join(PATIENCE)
    server.assert_no_letter(subject="Other", within=0.02)


def test_a_wish_that_makes_no_sense_is_an_error_of_the_test(server):
    with pytest.raises(ValueError, match=r"'b b@home\.test' is not an address"):
        server.wait_for_letter(to="b b")
    with pytest.raises(ValueError, match="size"):
        server.wait_for_letter(query="larger:huge")
    hand_in(server, "bob@home.test", "Welcome")
    with pytest.raises(NoSuchLetter, match=r"'subject:bye' does not find it"):
        server.wait_for_letter(query="subject:bye", timeout=0.05)


def test_accounts_and_aliases_work_at_once(server):
    with pytest.raises(smtplib.SMTPAuthenticationError):
        submit(server, "bob@home.test", "dan@home.test", "secret")
    server.add_account("dan@home.test", "secret")
    server.add_alias("team@home.test", "dan@home.test", "eve@elsewhere.test")
    submit(server, "team@home.test", "dan@home.test", "secret")
    sent = server.wait_for_letter(to="team@home.test")
    for member, password in (("eve@elsewhere.test", ""), ("dan@home.test", "secret")):
        assert server.wait_for_letter(to=member).id == sent.id
        assert len(collect(server, member, password)) == 1


def test_cleared_is_empty_mailboxes_and_all(server):
    submit(server, "bob@home.test")
    submit(server, "carol@elsewhere.test")
    before = server.wait_for_letters(2)
    server.clear()
    assert server.letters == []
    assert collect(server, "bob@home.test", "bob") == collect(server, "carol@elsewhere.test") == []
    with pytest.raises(LookupError):
        server.journey(before[0])


def test_all_ports_speak_and_trust_the_one_ca(server):
    at = server.submissions
    with smtplib.SMTP_SSL(at.host, at.port, context=server.ssl_context, timeout=10) as client:
        assert client.login("bob@home.test", "bob")[0] == 235
    assert Path(server.ca_file).read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    with LocalMailServer() as other:
        assert other.ca_file == server.ca_file
        assert other.capture.port != server.capture.port
        hand_in(other, "bob@home.test")
        assert server.letters == []


def test_from_asyncio_the_loop_turns_while_a_coroutine_waits(server):
    async def program():
        await asyncio.to_thread(hand_in, server, "bob@home.test", "Later")

    async def main():
        sending = asyncio.create_task(program())
        found = await server.wait_for_letter_async(to="bob@home.test")
        await sending
        assert [found.id] == [each.id for each in await server.wait_for_letters_async(1)]
        await server.assert_no_letter_async(to="carol@elsewhere.test", within=0.01)
        with pytest.raises(NoSuchLetter, match=r"Later(?!.*was blocked)"):
            await server.wait_for_letter_async(subject="Never", timeout=0.02)
        # A plain call does not hang in a running loop either: it waits for another thread.
        assert server.wait_for_letter(to="bob@home.test").subject == "Later"
        with pytest.raises(NoSuchLetter, match="event loop was blocked"):
            server.wait_for_letter(subject="Never", timeout=0.02)

    asyncio.run(main())


def test_many_threads_wait_at_once(server):
    found = {}

    def wait(number):
        found[number] = server.wait_for_letter(to=f"user{number}@home.test.example", timeout=20).subject

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in reversed(range(8)):
        hand_in(server, f"user{number}@home.test.example", f"for {number}")
    for thread in threads:
        thread.join(PATIENCE)
    assert found == {number: f"for {number}" for number in range(8)}


def test_a_server_that_does_not_run_says_so():
    server = LocalMailServer()
    with pytest.raises(RuntimeError, match="isn't running"):
        _ = server.capture
    server.stop()
    with server, pytest.raises(RuntimeError, match="create a new"):
        server.start()
    with pytest.raises(RuntimeError, match="isn't running"):
        server.wait_for_letter()


def test_a_server_that_can_not_start_leaves_nothing_behind(tmp_path, monkeypatch):
    key_directory()  # of all servers of the process, where it belongs
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(CannotListenError):
        LocalMailServer(host="192.0.2.1").start()
    assert list(tmp_path.iterdir()) == []


def test_a_connection_left_open_does_not_hold_up_the_end():
    with LocalMailServer() as server:
        client = smtplib.SMTP(server.submission.host, server.submission.port, timeout=10)
        client.starttls(context=server.ssl_context)
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE, "it would have been let go after five minutes"
    client.close()


def test_a_forked_process_has_servers_of_its_own(server):
    child = os.fork()
    if not child:  # pragma: no cover - another process
        status = 1
        try:
            with pytest.raises(RuntimeError, match="runs in the parent"):
                _ = server.letters
            hand_in(server, "bob@home.test", "From the child")
            with LocalMailServer() as own:
                hand_in(own, "bob@home.test", "Within the child")
                assert own.wait_for_letter().subject == "Within the child"
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert server.wait_for_letter(to="bob@home.test").subject == "From the child"


def by_http(server, path, body=None):
    octets = None if body is None else json.dumps(body).encode()
    request = Request(server.web + path, octets, {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_what_programs_in_other_languages_do_by_http_is_the_same():
    with LocalMailServer() as server:
        by_http(server, "v1/accounts", {"address": "dan@home.test", "password": "secret"})
        by_http(server, "v1/faults", {"at": "final", "service": "smtp", "reply": "451 4.3.0 not now", "times": 1})
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            hand_in(server, "dan@home.test", "Verify", "Your code is 482913\n")
        hand_in(server, "dan@home.test", "Verify", "Your code is 482913\n")
        (waited_for,) = by_http(server, "v1/wait?to=dan@home.test&subject=verify&timeout=10")["letters"]
        found = server.wait_for_letter(to="dan@home.test", subject="verify")
        assert (waited_for["id"], waited_for["codes"]) == (found.id, [found.code()])
        assert [fired for _, fired in server.faults.list()] == [1]
        assert by_http(server, "v1/clock", {"advance": "1h"})["ahead"] == pytest.approx(3600, abs=1)
        assert len(collect(server, "dan@home.test", "secret")) == 1


def test_a_test_may_stop_the_time_of_its_program(server, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    submit(server, "carol@elsewhere.test")
    server.wait_for_letter(to="carol@elsewhere.test")
    with pytest.raises(NoSuchLetter):
        server.wait_for_letter(to="dan@elsewhere.test", timeout=0.02)
    with LocalMailServer() as another:
        submit(another, "carol@elsewhere.test")
        another.wait_for_letter(to="carol@elsewhere.test")


ALONE = """
import sys
from mailstack.testing import LocalMailServer
from tests.testing.sending import hand_in, submit
with LocalMailServer() as server:
    submit(server, "carol@elsewhere.test")
    server.wait_for_letter(to="carol@elsewhere.test")
assert "twisted.internet.reactor" not in sys.modules, "whoever runs this can no longer choose the process's reactor"
forgotten = LocalMailServer().start()
print("done")
"""


def test_the_process_may_choose_its_own_reactor_and_leaves_nothing_of_a_server_forgotten(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.stdout, run.stderr, run.returncode) == ("done\n", "", 0)
    assert list(tmp_path.iterdir()) == []
