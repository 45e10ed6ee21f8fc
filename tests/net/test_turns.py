"""Turns of the reactor stay short, however many clients speak at once."""

from __future__ import annotations

import os
import select
from contextlib import ExitStack

from mailstack.net.turns import EVENTS, ShortTurns, keep_turns_short


class Reactor:
    """As much of Twisted's as is looked at."""

    def __init__(self, poller: object) -> None:
        self._poller = poller


def test_all_who_speak_are_heard_a_few_at_a_time() -> None:
    with ExitStack() as stack:
        poller = stack.enter_context(select.epoll())
        reactor = Reactor(poller)
        keep_turns_short(reactor)
        pipes = [os.pipe() for _ in range(3 * EVENTS)]
        for pair in pipes:
            for descriptor in pair:
                stack.callback(os.close, descriptor)
        for reader, writer in pipes:
            reactor._poller.register(reader, select.EPOLLIN | select.EPOLLET)
            os.write(writer, b"x")
        heard = [reactor._poller.poll(0, len(pipes)) for _ in range(4)]
        assert [len(part) for part in heard] == [EVENTS, EVENTS, EVENTS, 0]
        assert {descriptor for part in heard for descriptor, _ in part} == {reader for reader, _ in pipes}
        assert len(reactor._poller.poll(0, 1)) == 0


def test_nobody_is_heard_twice_while_others_wait() -> None:
    """As the kernel has it: who was told goes behind the others."""
    with ExitStack() as stack:
        poller = ShortTurns(stack.enter_context(select.epoll()))
        pipes = [os.pipe() for _ in range(2 * EVENTS)]
        for pair in pipes:
            for descriptor in pair:
                stack.callback(os.close, descriptor)
        for reader, writer in pipes:
            poller.register(reader, select.EPOLLIN)
            os.write(writer, b"x")
        told = [descriptor for _ in range(2) for descriptor, _ in poller.poll(0, len(pipes))]
        assert sorted(told) == sorted(reader for reader, _ in pipes)


def test_a_reactor_without_epoll_is_left_alone_and_one_with_it_is_changed_once() -> None:
    other = Reactor(select.poll())
    keep_turns_short(other)
    assert not isinstance(other._poller, ShortTurns)
    with select.epoll() as poller:
        reactor = Reactor(poller)
        keep_turns_short(reactor)
        first = reactor._poller
        keep_turns_short(reactor)
        assert reactor._poller is first
