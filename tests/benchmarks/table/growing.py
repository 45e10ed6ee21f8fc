"""The store grows: the same work among more letters, and more accounts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.readers import collect
from tests.benchmarks.table import ballast
from tests.benchmarks.table.accepting import sent
from tests.benchmarks.table.scene import Figures, Scale, Scene, Start
from tests.benchmarks.table.site import DOMAIN, LOGIN, USERS, Site, running, server


def _with_letters(count: int) -> Start:
    @contextlib.contextmanager
    def start(folder: Path, _scale: Scale) -> Iterator[Site]:
        with server(folder) as site, closing(Crowd(site.host, site.smtp, 1, LOGIN.format(1), 1024)) as crowd:
            crowd.send(1)
        ballast.add_letters(folder / "data", count)
        with running(folder) as site:
            collect(site.host, site.pop3, iter([LOGIN.format(1)]), 1)
            yield site

    return start


def _with_accounts(count: int) -> Start:
    @contextlib.contextmanager
    def start(folder: Path, _scale: Scale) -> Iterator[Site]:
        with server(folder, accounts=min(10, count)):
            pass
        if count > 10:
            ballast.add_accounts(folder / "data", 11, count)
        with running(folder) as site:
            yield site

    return start


def _works(site: Site, scale: Scale) -> Figures:
    """Letters are taken into mailboxes, and fetched from them."""
    with closing(Crowd(site.host, site.smtp, 50, LOGIN)) as crowd:
        taken = sent(site, crowd, 50, scale.letters // USERS * USERS - 50)
    before = site.spent()
    letters, seconds = collect(site.host, site.pop3, map(LOGIN.format, range(1, USERS + 1)), 10)
    cpu = (site.spent() - before) / letters * 1000
    return {
        "accept": taken["rate"],
        "accept_cpu_ms": taken["cpu_ms"],
        "collect": letters / seconds,
        "collect_cpu_ms": cpu,
    }


def _logs_in(site: Site, scale: Scale) -> Figures:
    """One letter a connection, by ten of the accounts to ten of them."""
    first_ten = f"u{{}}@{DOMAIN}"
    with closing(Crowd(site.host, site.submission, 10, first_ten, login=first_ten, once=True, people=10)) as crowd:
        seen = sent(site, crowd, 10, scale.letters // 10)
    return {"submit": seen["rate"], "submit_cpu_ms": seen["cpu_ms"]}


def scenes(scale: Scale) -> list[Scene]:
    return [
        Scene("letters", {f"{count:,} letters": _with_letters(count) for count in scale.stored}, _works, ()),
        Scene("accounts", {f"{count:,} accounts": _with_accounts(count) for count in scale.accounts}, _logs_in, ()),
    ]
