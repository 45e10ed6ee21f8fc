"""The rows of the table: which figure of which scene each shows, what is asked of it, and whether it holds."""

from __future__ import annotations

from statistics import median

from attrs import evolve, frozen

from tests.benchmarks.table.results import Results
from tests.benchmarks.table.scene import OURS, PEER, TWO


@frozen
class Judged:
    """A row with its figures; None stands for what was not measured."""

    ours: float | None = None
    least: float | None = None
    most: float | None = None
    """The range of ours."""
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    """How many times better ours is."""
    holds: bool | None = None
    note: str = ""
    """Where the figure comes from, or why it is missing."""


@frozen
class Row:
    """A figure beside a peer's."""

    name: str
    work: str
    scene: str
    figure: str
    unit: str
    asked: float | None = None
    """How many times the peer's; None: nothing is asked."""
    less: bool = False
    """Less is better."""
    side: str = OURS

    @property
    def asks(self) -> str:
        """In words."""
        return "" if self.asked is None else f"{self.asked:g} times"

    def judge(self, results: Results) -> Judged:
        """The medians, and what they say."""
        mine = self.values(results)
        trouble = results.trouble.get(self.scene, "")
        if not mine:
            return Judged(note=trouble or "not measured")
        judged = Judged(median(mine), min(mine), max(mine), note=trouble)
        if theirs := results.values(self.scene, PEER, self.figure):
            ours, peer = median(mine), median(theirs)
            ratio = peer / ours if self.less else ours / peer
            judged = evolve(judged, peer=peer, peer_name=results.peers[self.scene][0], ratio=ratio)
        return evolve(judged, holds=self.holds(judged))

    def values(self, results: Results) -> list[float]:
        """Ours, one for each round."""
        return results.values(self.scene, self.side, self.figure)

    def holds(self, judged: Judged) -> bool | None:
        """None: that can't be said."""
        return None if self.asked is None or judged.ratio is None else judged.ratio >= self.asked


class Limit(Row):
    """A figure that must not be larger than what is asked."""

    @property
    def asks(self) -> str:
        return f"at most {self.asked:g} {self.unit}"

    def holds(self, judged: Judged) -> bool | None:
        return None if self.asked is None or judged.ours is None else judged.ours <= self.asked


class Spread(Limit):
    """How much the medians of a scene's sides differ, in percent of the least."""

    def values(self, results: Results) -> list[float]:
        sides = results.rounds.get(self.scene, {})
        found = [median(figures[self.figure]) for figures in sides.values() if self.figure in figures]
        return [(max(found) / min(found) - 1) * 100] if len(found) > 1 else []


class Worst(Limit):
    """The median of that side of ours, in any scene, where it is largest."""

    def judge(self, results: Results) -> Judged:
        found = [
            (median(figures[self.figure]), scene)
            for scene, sides in results.rounds.items()
            for side, figures in sides.items()
            if side != PEER and self.figure in figures
        ]
        if not found:
            return Judged(note="not measured")
        value, scene = max(found)
        judged = Judged(value, value, value, note=f"in {scene}")
        return evolve(judged, holds=self.holds(judged))


RATE, CPU = "letters/s", "ms"
COLLECT = "POP3, 10 clients: RETR all, DELE all, QUIT"


def _both(name: str, work: str, asked: float) -> list[Row]:
    """By one process, and by two workers; the scene has the name of the row."""
    return [
        Row(name, work, name, "rate", RATE, asked),
        Row(f"{name}-workers", f"{work}: two workers", name, "rate", RATE, asked, side=TWO),
    ]


def _accepting(sessions: int, asked: float) -> list[Row]:
    scene = f"accept-{sessions}"
    work = f"accept durably, 4 KB, {sessions} session{'s'[: sessions > 1]}"
    rows = _both(scene, work, asked)
    cpu = Row(f"{scene}-cpu", f"{work}: processor time for a letter", scene, "cpu_ms", CPU, less=True)
    return [*rows, cpu] if sessions > 1 else [rows[0], cpu]


ROWS = (
    *_accepting(1, 2),
    *_accepting(50, 3.5),
    *_accepting(100, 3.5),
    Row("large-1m", "accept durably, 1 MB, 10 sessions", "large", "rate_1m", RATE, 1.2),
    Row("large-10m", "accept durably, 10 MB, 10 sessions", "large", "rate_10m", RATE, 1.2),
    Row("large-1m-memory", "most memory while letters of 1 MB come", "large", "memory_1m", "MiB", less=True),
    Row("large-10m-memory", "most memory while letters of 10 MB come", "large", "memory_10m", "MiB", less=True),
    Limit("large-memory", "so much more memory than for 1 MB", "large", "memory_growth", "%", 20, less=True),
    *_both("submit-kept", "submit with STARTTLS and AUTH, 20 kept connections", 1.7),
    *_both("submit-once", "submit with STARTTLS and AUTH, one letter a connection", 2),
    *_both("journey", "from submission to readable over POP3, 100 users, 20 sessions", 8),
    Row("journey-cpu", "this journey: processor time for 1,000 letters", "journey", "cpu", "s", 5, less=True),
    *_both("collect", COLLECT, 1.5),
    Row("collect-cpu", f"{COLLECT}: processor time for a letter", "collect", "cpu_ms", CPU, less=True),
    Row("list", "POP3: login, STAT, UIDL, LIST of a full mailbox; peer warm", "list", "ms", "ms", 2, less=True),
    *_both("relay-1", "relay a queue that waits, 1 destination", 4),
    *_both("relay-100", "relay a queue that waits, 100 destinations", 4),
    Row("relay-cpu", "this relaying: processor time for a letter", "relay-100", "cpu_ms", CPU, less=True),
    Limit("idle", "memory of an idle SMTP connection", "idle", "plain_kb", "KB", 4, less=True),
    Limit("idle-tls", "memory of an idle SMTP connection under TLS", "idle", "tls_kb", "KB", 40, less=True),
    Limit("nobody", "memory without connections", "idle", "nobody_mib", "MiB", 40, less=True),
    Limit("dev", "`mailstack dev`, from start to ready", "dev", "seconds", "s", 0.5),
    Spread("letters-accept", "accept: spread over letters stored", "letters", "accept", "%", 20),
    Spread("letters-accept-cpu", "accept: the same in processor time", "letters", "accept_cpu_ms", "%", 20),
    Spread("letters-collect", "POP3: spread over letters stored", "letters", "collect", "%", 20),
    Spread("letters-collect-cpu", "POP3: the same in processor time", "letters", "collect_cpu_ms", "%", 20),
    Spread("accounts-submit", "submit: spread over accounts", "accounts", "submit", "%", 20),
    Spread("accounts-submit-cpu", "submit: the same in processor time", "accounts", "submit_cpu_ms", "%", 20),
    Worst("held", "longest time that the reactor was held, at worst", "*", "held", "ms", 20),
    Worst("tail", "slowest 1 % of the 250s to their median, at worst", "*", "tail", "times", 5),
)
