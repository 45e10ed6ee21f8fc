"""`python -m tests.benchmarks.table`: prints the table of what is asked and what is reached, with Postfix and Dovecot beside.

Each row is the median of some rounds, A B A B, of sites that were started anew on loopback, in a temporary directory.
The peers are measured where they are installed (they need root); nothing of the system's own is touched.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.table import accepting, growing, reading, relaying, report, resting
from tests.benchmarks.table.results import Results
from tests.benchmarks.table.rows import ROWS, Row, Worst
from tests.benchmarks.table.run import run, steps
from tests.benchmarks.table.scene import QUICK, Scale, Scene

QUIET = 0.5
"""The load that a machine may have by itself."""


def scenes(scale: Scale) -> list[Scene]:
    """In the order of the table."""
    parts = (accepting, reading, relaying, resting)
    return [scene for part in parts for scene in part.scenes()] + growing.scenes(scale)


def chosen(patterns: list[str]) -> list[Row]:
    """The rows with such names, and those that speak of all of them. Ends the program for a name that no row has."""
    for pattern in patterns:
        if not any(fnmatch.fnmatch(row.name, pattern) for row in ROWS):
            sys.exit(f"no row is named {pattern}; --list shows them")
    named = [row for row in ROWS if any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns)]
    return named + [row for row in ROWS if isinstance(row, Worst) and row not in named]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.table", description=(__doc__ or "").partition(":")[2].strip()
    )
    parser.add_argument(
        "--rows", nargs="+", default=["*"], metavar="NAME", help="only these: names, or patterns with *"
    )
    parser.add_argument("--list", action="store_true", help="the names of the rows, and nothing else")
    parser.add_argument("--rounds", type=int, default=5, help="of each side; the median counts (5)")
    parser.add_argument("--quick", action="store_true", help="less of everything, two rounds: to see that it works")
    parser.add_argument("--alone", action="store_true", help="without Postfix and Dovecot")
    parser.add_argument("--minutes", type=float, default=60, help="begin nothing after this time (60)")
    parser.add_argument("--directory", type=Path, help="where the sites' files are; the disk there is measured too")
    parser.add_argument("--json", action="store_true", help="one JSON document, with each round's figures")
    parser.add_argument("--markdown", action="store_true", help="what stands in docs/reference/speed.md")
    return parser.parse_args()


def measure(rows: list[Row], given: argparse.Namespace, scale: Scale, rounds: int) -> Results:
    """Go through the scenes that the rows need."""
    results = Results()
    wanted = {row.scene for row in rows}
    needed = [scene for scene in scenes(scale) if scene.name in wanted]
    ending = time.monotonic() + given.minutes * 60
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=sum(steps(scene, rounds) for scene in needed))
        done = 0
        for scene in needed:
            done += steps(scene, rounds)
            if time.monotonic() > ending:
                results.trouble[scene.name] = "the time was over (--minutes)"
                continue
            with tempfile.TemporaryDirectory(prefix="mailstack-table-", dir=given.directory) as directory:
                folder = Path(directory)
                folder.chmod(0o755)  # the peers' processes are other users
                run(
                    scene,
                    scale,
                    rounds,
                    folder,
                    results,
                    with_peers=not given.alone,
                    further=lambda what: progress.update(task, advance=1, description=what),
                )
            progress.update(task, completed=done)
    return results


def main() -> None:
    given = arguments()
    rows = chosen(given.rows)
    if given.list:
        for row in rows:
            sys.stdout.write(f"{row.name:20} {row.work}\n")
        return
    rounds = min(2, given.rounds) if given.quick else given.rounds
    scale = QUICK if given.quick else Scale()
    busy = os.getloadavg()[0]
    results = measure(rows, given, scale, rounds)
    judged = [(row, row.judge(results)) for row in rows]
    method = f"{rounds} round{'s'[: rounds > 1]}{', --quick' if given.quick else ''}; "
    if busy > QUIET:
        method += f"**other programs kept the machine busy (a load of {busy:.1f})**: read the ratios, with care"
    else:
        method += f"a quiet machine (a load of {busy:.1f} before)"
    if given.json:
        sys.stdout.write(report.as_json(judged, results, method) + "\n")
    elif given.markdown:
        sys.stdout.write(report.markdown(judged, results, method))
    else:
        report.terminal(judged, results, method)
    for scene, why in results.trouble.items():
        sys.stderr.write(f"{scene}: {why}\n")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
