"""Three nodes under load while faults come at random: `python -m tests.nodes [--minutes N] [--seed N] [--nodes N]`."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from attrs import define, field

from tests.nodes.deployment import Deployment
from tests.nodes.faults import FAULTS, Happened
from tests.nodes.node import faketime
from tests.nodes.people import People

CALM = 3.0
"""Seconds between two faults, at most."""
ROUND = 100.0
"""Seconds of faults between two looks of the judge."""
SKEWS = (300, -300, 0, 120, -120)


@define
class Report:
    """Figures of a run."""

    faults: Counter[str] = field(factory=Counter)
    resumed: dict[str, list[float]] = field(factory=dict)
    """By fault: seconds from its healing until each node concerned took a letter again."""
    replies: Counter[str] = field(factory=Counter)
    slowest: float = 0.0
    """Seconds that any client waited for a reply, less those for which its node was frozen."""
    slowest_was: str = ""
    drained: list[float] = field(factory=list)
    """Seconds until nothing was owed, after each round."""

    def add(self, people: People, happened: list[Happened]) -> None:
        for each in people.replies:
            self.replies[f"{each.code // 100}xx" if each.code else "connection lost or refused"] += 1
            frozen = [fault for fault in happened if "frozen" in fault.name and each.node in fault.nodes]
            still = sum(
                max(0.0, min(each.at, fault.healed) - max(each.at - each.waited, fault.begun)) for fault in frozen
            )
            if each.waited - still > self.slowest:
                self.slowest = each.waited - still
                self.slowest_was = f"{each.node}: {each.code} {each.text[:200]}"
        for fault in happened:
            self.faults[fault.name] += 1
            waits = self.resumed.setdefault(fault.name, [])
            for node in fault.nodes:
                wait = people.first_taken_after(fault.healed, node)
                if wait is not None and not _is_harmed_again(node, fault.healed, wait, happened):
                    waits.append(wait)

    def __str__(self) -> str:
        lines = ["| fault | times | letters taken again after: median | longest |", "| --- | --- | --- | --- |"]
        for name, count in sorted(self.faults.items()):
            waits = self.resumed[name] or [0.0]
            lines.append(f"| {name} | {count} | {statistics.median(waits):.2f} s | {max(waits):.2f} s |")
        replies = ", ".join(f"{code}: {count}" for code, count in sorted(self.replies.items()))
        lines += ["", f"Replies to letters: {replies}. The slowest took {self.slowest:.1f} s ({self.slowest_was})."]
        lines += [f"After each round nothing was owed any more within {max(self.drained, default=0):.1f} s."]
        return "\n".join(lines)


def _is_harmed_again(node: str, healed: float, wait: float, happened: list[Happened]) -> bool:
    """Whether the next fault came to a node before it had come back: then its wait says nothing of the first."""
    return any(healed <= each.begun < healed + wait for each in happened if node in each.nodes)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.nodes", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="processes of each node")
    parser.add_argument("--senders", type=int, default=2, help="at each node")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between the letters of a sender")
    given = parser.parse_args()
    ahead = SKEWS[: given.nodes] if faketime() is not None else (None,) * given.nodes
    dice, report, number = random.Random(given.seed), Report(), 0
    with (
        tempfile.TemporaryDirectory(prefix="mailstack-nodes-") as directory,
        Deployment(Path(directory), ahead=ahead, workers=given.workers) as server,
    ):
        end = time.monotonic() + 60 * given.minutes
        try:
            while time.monotonic() < end:
                number += 1
                people = server.people(f"x{number}", given.senders, pause=given.pause)
                _round(server, people, dice, report)
                minutes = (time.monotonic() - end) / 60 + given.minutes
                print(f"{minutes:5.1f} min  {server.tally}", flush=True)  # noqa: T201
        except BaseException:
            for node in server.nodes:
                print(f"--- {node.name}\n{node.log[-3000:]}", file=sys.stderr)  # noqa: T201
            print(f"seed {given.seed}, round {number}\n{report}\n{server.tally}", file=sys.stderr)  # noqa: T201
            raise
        minutes = (time.monotonic() - end) / 60 + given.minutes
        how = f"{given.nodes} nodes of {given.workers} processes, whose clocks were ahead by {', '.join(str(each or 0) for each in ahead)} s"
        print(f"\n{minutes:.1f} minutes, {number} rounds, seed {given.seed}; {how}.\n\n{report}\n{server.tally}")  # noqa: T201
    return 0


def _round(server: Deployment, people: People, dice: random.Random, report: Report) -> None:
    happened = list[Happened]()
    end = time.monotonic() + ROUND
    while time.monotonic() < end:
        time.sleep(dice.uniform(0, CALM))
        fault = dice.choice(FAULTS)
        happened.append(fault(server, dice))
    # All who were concerned have the time to come back, and to be seen.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not all(
        people.first_taken_after(fault.healed, node) for fault in happened for node in fault.nodes
    ):
        time.sleep(0.1)
    people.stop()
    report.add(people, happened)
    missing = [
        fault for fault in happened for node in fault.nodes if people.first_taken_after(fault.healed, node) is None
    ]
    assert not missing, f"no letter was taken any more after {missing}"
    report.drained.append(server.balance(people))
    for node in server.nodes:
        node.forget_log()


if __name__ == "__main__":
    sys.exit(main())
