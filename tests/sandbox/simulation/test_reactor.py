"""Simulated reactor: turns, triggers, threads, failures."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

import textwrap
import threading

import pytest
from twisted.internet import endpoints, interfaces
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError, ReactorAlreadyRunning, ReactorNotRestartable, ReactorNotRunning
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import providedBy
from zope.interface.verify import verifyObject

from mailstack.sandbox import simulation
from mailstack.sandbox.simulation import NotReached, SimulatedReactor
from mailstack.sandbox.simulation.reactor import START
from tests.sandbox.simulation.protocols import Echo, Lines


def test_the_reactor_and_its_hosts_provide_what_they_declare(reactor):
    for provider in (reactor, reactor.host("192.0.2.1")):
        declared = set(providedBy(provider))
        assert declared == {
            interfaces.IReactorCore,
            interfaces.IReactorTime,
            interfaces.IReactorFDSet,
            interfaces.IReactorTCP,
            interfaces.IReactorThreads,
            interfaces.IReactorPluggableNameResolver,
        }
        for interface in declared:
            assert verifyObject(interface, provider)
        assert verifyObject(interfaces.IHostnameResolver, provider.nameResolver)


def test_run_ends_when_its_condition_is_true_and_leaves_the_rest(reactor):
    made = []
    for delay in (1, 2, 3):
        reactor.callLater(delay, made.append, delay)
    reactor.run(lambda: 2 in made)
    assert made == [1, 2]
    assert reactor.seconds() == START + 2


def test_run_with_no_condition_ends_when_nothing_is_left(reactor):
    reactor.callLater(400, int)
    reactor.run()
    assert reactor.seconds() == START + 400
    assert reactor.getDelayedCalls() == []


def test_run_says_what_would_have_come_next_when_the_condition_is_not_met(reactor):
    def tomorrow():
        pytest.fail("not within an hour")

    reactor.callLater(86400, tomorrow)
    with pytest.raises(NotReached, match=r"not within 3600 s; 0 s have passed, next are .*tomorrow in 86400 s"):
        reactor.run(lambda: False, at_most=3600)


def test_run_says_when_nothing_is_left_that_could_meet_the_condition(reactor):
    with pytest.raises(NotReached, match="no event is left"):
        reactor.run(lambda: False)


def test_run_says_when_something_waits_for_another_reactor(reactor):
    stray = installed.callLater(60, int)
    with pytest.raises(NotReached, match="pass the simulated reactor to all code"):
        reactor.run(lambda: False)
    stray.cancel()


def test_the_example_in_the_package_is_true():
    class Client(Lines):
        def connectionMade(self):
            self.sendLine(b"250 OK")

    indented = [line for line in simulation.__doc__.splitlines() if not line or line.startswith("    ")]
    names = dict(vars(endpoints), **vars(simulation), Factory=Factory, Echo=Echo, Client=Client)
    exec(textwrap.dedent("\n".join(indented)), names)
    assert names["reactor"].seconds() > START + 5 * 86400
    assert names["port"].getHost().port == 25


def test_run_ends_what_would_never_end(reactor):
    def again():
        reactor.callLater(0, again)

    again()
    with pytest.raises(NotReached, match="no end after 100 turns"):
        reactor.run(max_turns=100)


def test_run_within_run_is_refused(reactor):
    reactor.callLater(1, reactor.run)
    with pytest.raises(ReactorAlreadyRunning):
        reactor.run()


def test_result_of_returns_what_a_coroutine_returns(reactor):
    async def work():
        await deferLater(reactor, 5 * 86400)
        return "after five days"

    assert reactor.result_of(work()) == "after five days"
    assert reactor.seconds() == START + 5 * 86400


def test_result_of_raises_what_the_work_raises(reactor):
    with pytest.raises(ValueError, match="no"):
        reactor.result_of(fail(ValueError("no")))


def test_result_of_does_not_wait_for_ever(reactor):
    reactor.callLater(100, int)
    with pytest.raises(NotReached):
        reactor.result_of(Deferred(), at_most=50)


def test_iterate_lets_a_little_time_pass(reactor):
    made = []
    reactor.callLater(1, made.append, 1)
    reactor.callLater(3, made.append, 3)
    reactor.iterate(2)
    assert made == [1]


def broken():
    raise ValueError("a bug")


def test_what_nobody_caught_comes_out_of_run_and_the_rest_goes_on(reactor):
    made = []
    reactor.callLater(1, broken)
    reactor.callLater(1, made.append, "same turn")
    reactor.callLater(2, made.append, "later")
    with pytest.raises(ValueError, match="a bug"):
        reactor.run()
    assert made == ["same turn"]
    reactor.run()
    assert made == ["same turn", "later"]


def test_a_bug_at_the_start_comes_out_though_nothing_else_happens(reactor):
    reactor.callWhenRunning(broken)
    with pytest.raises(ValueError, match="a bug"):
        reactor.run()


def test_two_bugs_of_one_turn_come_out_together(reactor):
    reactor.callLater(1, broken)
    reactor.callLater(1, broken)
    with pytest.raises(ExceptionGroup) as caught:
        reactor.run()
    assert len(caught.value.exceptions) == 2


def test_a_failure_that_was_only_logged_comes_out_of_run(reactor):
    def cautious():
        with Logger().failuresHandled("this went wrong"):
            broken()

    reactor.callLater(1, cautious)
    with pytest.raises(ValueError, match="a bug"):
        reactor.run()


def test_a_forgiving_reactor_logs_and_goes_on():
    reactor = SimulatedReactor(forgiving=True)
    made = []
    reactor.callLater(1, broken)
    reactor.callLater(2, made.append, "later")
    reactor.run()
    assert made == ["later"]


def test_triggers_are_called_in_their_phases_and_before_is_waited_for(reactor):
    seen = []
    note = lambda what, result=None: (seen.append((what, reactor.running)), result)[1]  # noqa: E731
    stopped = Deferred()
    reactor.callWhenRunning(note, "running")
    for phase, result in (("after", None), ("during", None), ("before", stopped)):
        reactor.addSystemEventTrigger(phase, "shutdown", note, phase, result)
    reactor.callLater(1, reactor.stop)
    reactor.callLater(3, stopped.callback, None)
    reactor.callLater(9, pytest.fail, "behind the end")
    reactor.run()
    assert reactor.seconds() == START + 3
    assert seen == [("running", True), ("before", True), ("during", False), ("after", False)]
    with pytest.raises(ReactorNotRestartable):
        reactor.run()


def test_a_trigger_can_be_taken_back_once(reactor):
    trigger = reactor.addSystemEventTrigger("before", "shutdown", pytest.fail)
    reactor.removeSystemEventTrigger(trigger)
    with pytest.raises(ValueError, match="not in list"):
        reactor.removeSystemEventTrigger(trigger)
    with pytest.raises(KeyError):
        reactor.addSystemEventTrigger("meanwhile", "shutdown", int)


def test_every_trigger_is_called_whatever_the_others_do(reactor):
    seen = []
    reactor.addSystemEventTrigger("before", "evening", broken)
    reactor.addSystemEventTrigger("before", "evening", lambda: fail(KeyError("too")))
    reactor.addSystemEventTrigger("after", "evening", seen.append, "after")
    reactor.callLater(0, reactor.fireSystemEvent, "evening")
    with pytest.raises(ExceptionGroup) as caught:
        reactor.run()
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]
    assert seen == ["after"]


def test_call_when_running_calls_at_once_when_it_runs(reactor):
    seen = []
    reactor.advance(0)
    assert reactor.running
    assert reactor.callWhenRunning(seen.append, "now") is None
    assert seen == ["now"]


def test_only_what_runs_can_be_stopped(reactor):
    with pytest.raises(ReactorNotRunning):
        reactor.stop()
    reactor.callLater(0, reactor.stop)
    with pytest.raises(NotReached, match="the reactor was stopped"):
        reactor.run(lambda: False)


def test_crash_ends_with_no_trigger_called_and_can_begin_again(reactor):
    made = []
    reactor.addSystemEventTrigger("before", "shutdown", pytest.fail)
    reactor.callLater(1, reactor.crash)
    reactor.callLater(2, made.append, "again")
    reactor.run()
    assert not reactor.running
    reactor.run()
    assert made == ["again"]


def test_work_for_threads_is_done_in_order_and_in_the_next_turn(reactor):
    seen = []
    reactor.callInThread(seen.append, "first")
    results = [deferToThreadPool(reactor, reactor.getThreadPool(), lambda n=n: seen.append(n) or n) for n in (1, 2)]
    assert seen == []
    assert [reactor.result_of(result) for result in results] == [1, 2]
    assert seen == ["first", 1, 2]
    assert reactor.seconds() == START


def test_work_for_threads_fails_where_it_was_asked_for(reactor):
    reactor.suggestThreadPoolSize(4)
    with pytest.raises(ValueError, match="a bug"):
        reactor.result_of(deferToThreadPool(reactor, reactor.getThreadPool(), broken))
    reactor.callInThread(broken)
    with pytest.raises(ValueError, match="a bug"):
        reactor.run()


def test_time_is_held_while_a_real_thread_works(reactor):
    seen, begun, go_on = [], threading.Event(), threading.Event()

    def work():
        begun.set()
        go_on.wait(10)
        reactor.callFromThread(lambda: seen.append(("thread", reactor.seconds() - START)))

    thread = threading.Thread(target=work)
    reactor.hold_time_while(thread.is_alive)
    reactor.callLater(1, lambda: (thread.start(), begun.wait(10)))
    reactor.callLater(1, go_on.set)
    reactor.callLater(3600, lambda: seen.append(("timer", reactor.seconds() - START)))
    reactor.run()
    assert seen == [("thread", 1.0), ("timer", 3600.0)]


def test_a_thread_that_hangs_is_not_waited_for_without_end(reactor):
    reactor.hold_time_while(lambda: True, timeout=0.01)
    with pytest.raises(NotReached, match=r"busy for 0\.01 real seconds"):
        reactor.run()


@pytest.mark.parametrize(("name", "address"), [("192.0.2.7", "192.0.2.7"), ("localhost", "127.0.0.1")])
def test_addresses_and_localhost_need_no_dns(reactor, name, address):
    assert reactor.result_of(reactor.resolve(name)) == address


def test_other_names_do_not_exist_until_a_resolver_is_installed(reactor):
    host = reactor.host("192.0.2.1")
    with pytest.raises(DNSLookupError):
        reactor.result_of(host.resolve("mx.home.test"))

    class Zone:
        def resolveHostName(self, receiver, name, port=0, kinds=None, semantics="TCP"):
            return reactor.nameResolver.resolveHostName(receiver, "192.0.2.1", port, kinds, semantics)

    before = host.nameResolver
    assert host.installNameResolver(Zone()) is before
    assert reactor.result_of(host.resolve("mx.home.test")) == "192.0.2.1"
    assert reactor.nameResolver is not host.nameResolver


def test_the_seed_decides_chance():
    draws = [[reactor.random.random() for _ in range(3)] for reactor in map(SimulatedReactor, (1, 1, 2))]
    assert draws[0] == draws[1] != draws[2]


def test_results_that_are_there_need_no_turn(reactor):
    assert reactor.result_of(succeed(4)) == 4
