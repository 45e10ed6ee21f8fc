"""A scene: which sites are started, what is done to each in a round, and on what scale."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from attrs import frozen

from tests.benchmarks.table import peers
from tests.benchmarks.table.site import Site, server

OURS, TWO, PEER = "mailstack", "mailstack, 2 workers", "peer"


@frozen
class Scale:
    """How much is done in a round."""

    letters: int = 5000
    """Of 4 KB. Accepting takes two fifths of them."""
    large: int = 40
    """Letters of 10 MB; of 1 MB ten times as many."""
    mailbox: int = 50_000
    idle: int = 10_000
    stored: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    accounts: tuple[int, ...] = (10, 100, 1_000, 10_000)


QUICK = Scale(letters=1000, large=5, mailbox=5_000, idle=500, stored=(1_000, 10_000), accounts=(10, 1_000))

Figures = dict[str, float]
Start = Callable[[Path, Scale], AbstractContextManager[Site]]


@frozen
class Scene:
    """Sites that are started anew, and measured in turn."""

    name: str
    sides: dict[str, Start]
    measure: Callable[[Site, Scale], Figures]
    needs: tuple[str, ...] = ("postfix",)
    """Programs without which the peer can't be measured."""
    always: tuple[str, ...] = ()
    """Programs without which nobody can be."""
    once: bool = False
    """One round says enough: it takes long, and what it measures hardly varies."""


def a_server(workers: int = 1) -> Start:
    return lambda folder, _scale: server(folder, workers=workers)


def a_postfix(mode: str) -> Start:
    return lambda folder, _scale: peers.postfix(folder, mode)


def a_pair(mode: str) -> Start:
    return lambda folder, _scale: peers.postfix_and_dovecot(folder, mode)
