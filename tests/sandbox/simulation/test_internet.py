"""Simulated internet: servers, users, time, DNS, network, transcript, journeys."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from mailstack.config import RelaySettings, ScheduleSettings
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.sandbox.simulation import Internet, NotReached, Path, SubmissionRefused


def two(seed: int = 7, **settings: object) -> Internet:
    """a.test and b.test, with Ann there and Bob here."""
    internet = Internet(seed)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], **settings)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    return internet


def story(seed: int) -> Internet:
    """Retries, a partition, a bounce, a letter that arrives in the end; over a path where chance has a say."""
    internet = Internet(seed, path=Path(latency=0.02, ragged=True, loss=0.02, bandwidth=100_000))
    accounts, aliases = ["ann@a.test", "amy@a.test"], {"all@a.test": ["ann@a.test", "bob@b.test"]}
    internet.host("mx.a.test", domains=["a.test"], accounts=accounts, aliases=aliases)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"])
    ann, amy, bob = internet.author("ann@a.test"), internet.author("amy@a.test"), internet.reader("bob@b.test")
    ann.submit(to=["bob@b.test", "nobody@b.test"], subject="One", text="one")
    internet.partition("mx.a.test", "mx.b.test")
    internet.after("3h", internet.heal, "mx.a.test", "mx.b.test")
    internet.after("1h", lambda: amy.submit_async(to="all@a.test", subject="Two", text="two\n" * 500))
    internet.zone.servfail("c.test")
    ann.submit(to="carol@c.test", subject="Three", text="three")
    internet.run()
    bob.collect()
    internet.reader("ann@a.test").collect()
    return internet


def test_a_letter_goes_from_author_to_reader() -> None:
    internet = two()
    sent = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello Bob\n")
    internet.run()
    (letter,) = internet.reader("bob@b.test").collect()
    assert (letter.subject, letter.text, letter.return_path) == ("Hello", "Hello Bob\n", "ann@a.test")
    assert not letter.is_report
    assert internet.reader("bob@b.test").collect() == []
    journey = internet.journey(sent)
    assert [(stage.server, stage.step) for stage in journey] == [
        ("mx.a.test", "submitted"),
        ("mx.a.test", "routed"),
        ("mx.a.test", "attempted"),
        ("mx.b.test", "exchanged"),
        ("mx.b.test", "routed"),
        ("mx.b.test", "delivered"),
        ("mx.a.test", "relayed"),
        ("mx.b.test", "collected"),
    ]
    assert 0 < journey.stages[0].at < journey.stages[-1].at < 1
    assert "bob@b.test" in str(journey)


def test_five_days_of_retries_and_a_bounce() -> None:
    internet = two()
    internet.servers["mx.b.test"].stop()
    sent = internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello")
    internet.run()
    assert internet.now == pytest.approx(5 * 86400, abs=60)
    journey = internet.journey(sent)
    assert 30 < len(journey.only("deferred")) < 60
    assert journey.steps[-1] == "bounced"
    warning, bounce = internet.reader("ann@a.test").collect()
    assert warning.is_report
    assert bounce.is_report
    assert "gave up after trying for 5 days" in bounce.text
    assert internet.journey(journey.reports[-1]).steps[-1] == "collected"
    assert "connection refused" in internet.transcript


def test_the_same_seed_gives_the_same_transcript_and_another_gives_another() -> None:
    one, same, other = story(3), story(3), story(4)
    assert one.transcript == same.transcript
    assert one.transcript.diff(same.transcript) == ""
    assert one.now == same.now
    assert one.transcript != other.transcript
    assert "\n+  " in one.transcript.diff(other.transcript)


def test_the_same_seed_gives_the_same_transcript_in_another_process() -> None:
    script = "from tests.sandbox.simulation.test_internet import story; print(story(5).transcript)"
    environs = [{**os.environ, "PYTHONHASHSEED": chance} for chance in ("1", "2")]
    first, second = [subprocess.check_output([sys.executable, "-c", script], env=each, timeout=60) for each in environs]
    assert first == second
    assert b"queued as" in first


def test_the_transcript_shows_neither_passwords_nor_content() -> None:
    internet = two()
    internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Nobody's business")
    internet.run()
    internet.reader("bob@b.test").collect()
    said = str(internet.transcript)
    assert "C: AUTH SCRAM-SHA-256-PLUS (…)" in said
    assert "C: PASS (…)" in said
    assert "business" not in said
    assert "C: MAIL FROM:<ann@a.test>" in said
    assert said.count("octets)") >= 3
    assert len(internet.transcript.of("bob@b.test")) == 1


def test_a_transcript_is_bounded() -> None:
    internet = Internet(1, transcript=500)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
    for _ in range(120):
        internet.reader("ann@a.test").collect()
    assert sum(len(each.lines) for each in internet.transcript.dialogues) < 2500
    assert "earlier sessions were dropped" in str(internet.transcript)


def test_what_is_not_reached_shows_the_end_of_the_transcript() -> None:
    internet = two()
    internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello")
    with pytest.raises(NotReached, match=r"(?s)not within 60 s.*The transcript ends with:.*queued as"):
        internet.run(lambda: False, at_most=60)


def test_a_letter_that_nobody_takes_raises_and_one_that_some_take_tells_of_the_others() -> None:
    internet = two()
    ann = internet.author("ann@a.test")
    with pytest.raises(SubmissionRefused, match=r"550 5\.1\.1"):
        ann.submit(to="nobody@a.test", text="?")
    sent = ann.submit(to=["nobody@a.test", "bob@b.test"], text="?")
    assert {to: reply.code for to, reply in sent.refused.items()} == {"nobody@a.test": 550}


def test_raw_octets_and_parameters_go_as_they_are() -> None:
    internet = two()
    raw = b"Subject: raw\r\n\r\n.dots\r\n..and \xc3\xa4\r\n"
    sent = internet.author("ann@a.test").submit("bob@b.test", raw=raw, parameters=[("RET", "HDRS")])
    internet.run()
    (letter,) = internet.reader("bob@b.test").collect()
    assert letter.octets.endswith(b".dots\r\n..and \xc3\xa4\r\n")
    assert "RET=HDRS" in internet.transcript
    assert sent.id in str(internet.transcript)


CERTIFICATES = [("expired", "has expired"), ("self-signed", "self-signed"), ("wrong-name", "other-name.test")]


@pytest.mark.parametrize(("kind", "reason"), CERTIFICATES)
def test_invalid_certificates_are_refused_by_verifying_clients(kind: str, reason: str) -> None:
    internet = Internet(1)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], certificate=kind)  # type: ignore[arg-type]
    with pytest.raises(SmtpSessionError, match="certificate verify failed") as trouble:
        internet.author("ann@a.test").submit(to="ann@a.test", text="?")
    assert reason in str(trouble.value)
    internet.advance(1)
    assert "connection lost" in internet.transcript


def test_opportunistic_relaying_takes_any_certificate() -> None:
    internet = Internet(1)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"])
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], certificate="expired")
    sent = internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.run()
    assert internet.journey(sent).only("relayed")


def test_names_fail_are_slow_or_do_not_exist_as_they_are_told() -> None:
    internet = two(relay=RelaySettings(schedule=ScheduleSettings(first=300.0, give_up_after=3600.0)))
    ann = internet.author("ann@a.test")
    internet.zone.nxdomain("gone.test")
    internet.zone.servfail("ill.test")
    internet.zone.mx("null.test", ".", 0)
    internet.zone.mx("slow.test", "mx.b.test")
    internet.zone.delay("slow.test", "12s")
    gone, ill, null, slow = (ann.submit(to=f"x@{name}.test", text="?") for name in ("gone", "ill", "null", "slow"))
    before = internet.now
    internet.advance(5)
    assert [internet.journey(each).steps[-1] for each in (gone, null)] == ["bounced", "bounced"]
    assert internet.journey(ill).steps[-1] == "deferred"
    assert internet.journey(slow).steps[-1] == "submitted"
    internet.zone.mend("ill.test")
    internet.zone.mx("ill.test", "mx.b.test")
    internet.run()
    assert internet.journey(slow).only("bounced")[0].at > before + 10
    assert internet.journey(ill).only("attempted")


def test_a_partition_holds_what_is_sent_and_healing_lets_it_through() -> None:
    internet = two()
    internet.partition("mx.a.test", "mx.b.test")
    sent = internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.advance(20)
    assert not internet.journey(sent).only("deferred", "relayed")
    internet.heal("mx.a.test", "mx.b.test")
    internet.run(at_most="1m")
    assert len(internet.reader("bob@b.test").collect()) == 1


def test_a_long_partition_is_a_host_that_does_not_answer() -> None:
    internet = two()
    internet.partition("mx.a.test", "mx.b.test")
    sent = internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.advance("10m")
    assert "no answer within" in internet.journey(sent).only("deferred")[0].facts["reply"]
    assert "no answer within" in internet.transcript
    internet.heal("mx.a.test", "mx.b.test")
    internet.run()
    assert len(internet.reader("bob@b.test").collect()) == 1


def test_a_connection_that_is_reset_loses_no_letter() -> None:
    internet = two()
    internet.set_path("mx.a.test", "mx.b.test", Path(latency=1.0))
    sent = internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.run(lambda: any("STARTTLS" in str(each) for each in internet.transcript.of("mx.b.test")))
    internet.reset("mx.a.test", "mx.b.test")
    internet.run()
    assert internet.journey(sent).only("deferred")
    assert len(internet.reader("bob@b.test").collect()) == 1


def test_time_passes_as_it_is_told() -> None:
    internet = Internet(1)
    done: list[float] = []
    internet.after("4h", done.append, 4 * 3600)
    internet.advance("3h59m")
    assert done == []
    internet.advance(120)
    assert done == [pytest.approx(4 * 3600)]
    assert internet.now == 4 * 3600 + 60


def test_a_server_on_the_real_disk_lives_in_virtual_time_too() -> None:
    internet = Internet(1)
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], store="sqlite")
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], store="sqlite")
    site = internet.servers["mx.b.test"]
    site.stop()
    internet.author("ann@a.test").submit(to="bob@b.test", text="?")
    internet.after("1d", site.open)
    internet.run()
    assert 86400 < internet.now < 2 * 86400
    assert len(internet.reader("bob@b.test").collect()) == 1


class Grumpy(Protocol):
    """A foreign program on Twisted: it greets, and refuses everything."""

    def connectionMade(self) -> None:  # noqa: N802
        assert self.transport is not None
        self.transport.write(b"220 ready\r\n")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        assert self.transport is not None
        self.transport.write(b"554 go away\r\n" * data.count(b"\n"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Nobody minds."""


def test_a_program_of_ones_own_takes_part_and_is_in_the_transcript() -> None:
    internet = two()
    host = internet.reactor.host("198.51.100.99")
    internet.result_of(TCP4ServerEndpoint(host, 25).listen(Factory.forProtocol(Grumpy)))
    internet.zone.mx("c.test", "mx.c.test")
    internet.zone.a("mx.c.test", "198.51.100.99")
    sent = internet.author("ann@a.test").submit(to="carol@c.test", text="?")
    internet.run(at_most="6d")
    assert internet.journey(sent).only("bounced", "deferred")
    assert "554 go away" in internet.transcript


def test_who_is_not_there_is_told() -> None:
    internet = two()
    with pytest.raises(LookupError, match=r"no server has an account x@z\.test"):
        internet.author("x@z.test")
    internet.servers["mx.a.test"].stop()
    with pytest.raises(ConnectFailed, match="connection refused"):
        internet.author("ann@a.test").submit(to="bob@b.test", text="?")


def test_a_bounce_after_five_days_takes_no_time_worth_speaking_of() -> None:
    """Under 50 ms on a quiet machine, as tests/benchmarks/bench_simulation.py measures it; here there is room for a busy one."""
    test_five_days_of_retries_and_a_bounce()
    began = time.process_time()
    test_five_days_of_retries_and_a_bounce()
    assert time.process_time() - began < 1.0
