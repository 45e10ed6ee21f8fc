"""Letters are read: at the end of their journey, all at once, and a full mailbox."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.readers import collect, counted, listed
from tests.benchmarks.table import peers
from tests.benchmarks.table.scene import OURS, PEER, TWO, Figures, Scale, Scene, a_pair, a_server
from tests.benchmarks.table.site import LOGIN, USERS, Site, longest_hold, running, server

PATIENCE = 120.0


def _journey(site: Site, scale: Scale) -> Figures:
    """From the first octet of the first letter until each is in its mailbox, as POP3 tells."""
    with closing(Crowd(site.host, site.smtp, 20, LOGIN)) as crowd:
        before, begun = site.spent(), time.perf_counter()
        crowd.send(scale.letters)
        for user in range(1, USERS + 1):
            site.expected[user] = site.expected.get(user, 0) + scale.letters // USERS
            _await(site, user, site.expected[user])
        seconds, spent = time.perf_counter() - begun, site.spent() - before
    return {"rate": scale.letters / seconds, "cpu": spent / scale.letters * 1000}


def _await(site: Site, user: int, letters: int) -> None:
    ending = time.monotonic() + PATIENCE
    while counted(site.host, site.pop3, LOGIN.format(user)) < letters:
        if time.monotonic() > ending:
            raise TimeoutError(f"{site.name} has not delivered all letters to u{user}")
        time.sleep(0.02)


def _collects(site: Site, scale: Scale) -> Figures:
    """Ten clients fetch and delete what was put into the mailboxes before."""
    each = scale.letters // USERS
    if site.smtp:
        with closing(Crowd(site.host, site.smtp, 50, LOGIN)) as crowd:
            crowd.send(each * USERS)
    else:
        for user in range(1, USERS + 1):
            peers.fill(site.folder, user, each)
    before, own = site.spent(), time.process_time()
    letters, seconds = collect(site.host, site.pop3, map(LOGIN.format, range(1, USERS + 1)), 10)
    if letters != each * USERS:
        raise ValueError(f"{site.name} had {letters} letters in its mailboxes, not {each * USERS}")
    return {
        "rate": letters / seconds,
        "cpu_ms": (site.spent() - before) / letters * 1000,
        "client_cpu": (time.process_time() - own) / seconds,
    }


@contextlib.contextmanager
def _full_server(folder: Path, scale: Scale) -> Iterator[Site]:
    with server(folder) as site, closing(Crowd(site.host, site.smtp, 50, LOGIN.format(1))) as crowd:
        crowd.send(scale.mailbox)
    yield Site(OURS, "", [], folder=folder)


@contextlib.contextmanager
def _full_dovecot(folder: Path, scale: Scale) -> Iterator[Site]:
    peers.fill(folder, 1, scale.mailbox)
    with peers.dovecot(folder) as site:
        for _ in range(3):  # it is warm: index and caches are written
            listed(site.host, site.pop3, LOGIN.format(1))
        yield site


def _lists(site: Site, scale: Scale) -> Figures:
    """A whole mailbox is told; a server does it as the first thing after its start."""
    with contextlib.ExitStack() as stack:
        there = site if site.roots else stack.enter_context(running(site.folder))
        letters, seconds = listed(there.host, there.pop3, LOGIN.format(1))
    if letters != scale.mailbox:
        raise ValueError(f"{site.name} has {letters} letters in the mailbox, not {scale.mailbox}")
    figures = {"ms": seconds * 1000}
    if there.log is not None:
        figures["held"] = longest_hold(there.log)
    return figures


def _dovecot(folder: Path, _scale: Scale) -> contextlib.AbstractContextManager[Site]:
    return peers.dovecot(folder)


def scenes() -> list[Scene]:
    return [
        Scene(
            "journey", {OURS: a_server(), TWO: a_server(2), PEER: a_pair("maildir")}, _journey, ("postfix", "dovecot")
        ),
        Scene("collect", {OURS: a_server(), TWO: a_server(2), PEER: _dovecot}, _collects, ("dovecot",)),
        Scene("list", {OURS: _full_server, PEER: _full_dovecot}, _lists, ("dovecot",)),
    ]
