"""Letters come in: of 4 KB, large ones, and from users who log in under TLS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from tests.benchmarks.crowd import Crowd
from tests.benchmarks.table.processes import Peak
from tests.benchmarks.table.scene import OURS, PEER, TWO, Figures, Scale, Scene, a_pair, a_postfix, a_server
from tests.benchmarks.table.site import LOGIN, USERS, Site

MEGABYTE = 1_000_000


def _accepts(sessions: int, part: float) -> Callable[[Site, Scale], Figures]:
    def measure(site: Site, scale: Scale) -> Figures:
        with closing(Crowd(site.host, site.smtp, sessions, LOGIN)) as crowd:
            return sent(site, crowd, sessions, max(sessions, int(scale.letters * part)))

    return measure


def _submits(sessions: int, *, once: bool) -> Callable[[Site, Scale], Figures]:
    def measure(site: Site, scale: Scale) -> Figures:
        with closing(Crowd(site.host, site.submission, sessions, LOGIN, login=LOGIN, once=once)) as crowd:
            return sent(site, crowd, USERS if once else sessions, int(scale.letters * (0.1 if once else 0.4)))

    return measure


def sent(site: Site, crowd: Crowd, warm: int, letters: int) -> Figures:
    crowd.send(warm)
    before = site.spent()
    seen = crowd.send(letters)
    half, tail = seen.wait(0.5), seen.wait(0.99)
    return {
        "rate": seen.rate,
        "half_ms": half * 1000,
        "tail_ms": tail * 1000,
        "tail": tail / half,
        "cpu_ms": (site.spent() - before) / letters * 1000,
        "client_cpu": seen.processor / seen.seconds,
    }


def _large(site: Site, scale: Scale) -> Figures:
    """Letters of 1 MB, then of 10 MB, and the most memory that each took."""
    figures: Figures = {}
    for name, size, letters in (("1m", MEGABYTE, scale.large * 10), ("10m", 10 * MEGABYTE, scale.large)):
        with closing(Crowd(site.host, site.smtp, 10, LOGIN, size)) as crowd, Peak(site.roots) as peak:
            figures[f"rate_{name}"] = crowd.send(letters).rate
        figures[f"memory_{name}"] = peak.most
    if site.log is not None:
        figures["memory_growth"] = (figures["memory_10m"] / figures["memory_1m"] - 1) * 100
    return figures


def scenes() -> list[Scene]:
    return [
        *(
            Scene(
                f"accept-{sessions}",
                {OURS: a_server(), TWO: a_server(2), PEER: a_postfix("hold")},
                _accepts(sessions, 0.1 if sessions == 1 else 0.4),
            )
            for sessions in (1, 50, 100)
        ),
        Scene("large", {OURS: a_server(), PEER: a_postfix("hold")}, _large),
        *(
            Scene(
                name,
                {OURS: a_server(), TWO: a_server(2), PEER: a_pair("submission")},
                _submits(20, once=once),
                ("postfix", "dovecot"),
            )
            for name, once in (("submit-kept", False), ("submit-once", True))
        ),
    ]
