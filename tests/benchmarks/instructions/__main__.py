"""`python -m tests.benchmarks.instructions`: prints the instructions of a letter, of one checkout or of several.

Wall time can't tell 3 % on a shared machine; this count repeats within 0.5 %. The server is `mailstack serve` in one
process under valgrind, its store a directory in memory. One client sends commands over the loopback, each when the server
is idle. N letters of 4 KB warm the server up, and N more are counted.

rows:
  accept-mx          over one connection, into 10 mailboxes
  accept-submission  the same over one connection with TLS and AUTH
  relay              from the queue to one host, 100 letters a connection
  retrieve           POP3: login, RETR, DELE, QUIT; N / 5 letters a session
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from tests.benchmarks.instructions.rows import ROWS, Row, measure, selected
from tests.benchmarks.instructions.server import USERS, ValgrindError

CHECKOUT = Path(__file__).parent.parent.parent.parent
MEMORY = Path("/dev/shm")
LETTERS = 500
"""Number of letters that are counted. It is a multiple of 100, the letters of one connection to another host."""


class Count(Struct, frozen=True):
    """Instructions of one letter in one row, one figure a round."""

    row: str
    rounds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """Percentage by which the largest round exceeds the least."""
        return (max(self.rounds) / min(self.rounds) - 1) * 100


class Source(Struct, frozen=True):
    """One checkout, and what was counted with it."""

    commit: str
    path: str
    counts: list[Count]


class Report(Struct, frozen=True):
    """All that one run has to say."""

    python: str
    valgrind: str
    letters: int
    sources: list[Source]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.instructions",
        description=(__doc__ or "").partition(":")[2].strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rows",
        default=",".join(row.name for row in ROWS),
        help="comma-separated names: accept, relay, retrieve (all)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        action="append",
        metavar="PATH",
        help="import mailstack from this checkout; with several, the others are compared with the first (this one)",
    )
    parser.add_argument("--letters", type=int, default=LETTERS, metavar="N", help=f"letters to count ({LETTERS})")
    parser.add_argument("--rounds", type=int, default=1, help="counts of each row, each in a new server (1)")
    parser.add_argument("--directory", type=Path, help="where the stores are written (/dev/shm, if it is there)")
    parser.add_argument("--json", action="store_true", help="print one JSON document, with the figure of each round")
    given = parser.parse_args()
    if given.letters < 1 or given.letters % USERS or given.rounds < 1:
        parser.error(f"--letters is a multiple of {USERS}, the mailboxes; --rounds is 1 at least")
    try:
        given.rows = selected(given.rows)
    except ValueError as error:
        parser.error(str(error))
    given.source = [path.resolve() for path in given.source or [CHECKOUT]]
    for path in given.source:
        if not (path / "mailstack" / "__init__.py").is_file():
            parser.error(f"{path} has no package mailstack; name the root of a checkout")
    return given


def commit_of(source: Path) -> str:
    """The commit that is checked out, "+" behind it if files were changed; "unknown" outside a repository."""
    command = ["git", "-C", str(source), "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"
    return "unknown"


def count(given: argparse.Namespace, tell: Console) -> Report:
    """Counts each row with each checkout in turn, round by round."""
    directory = given.directory or (MEMORY if MEMORY.is_dir() else None)
    found: dict[tuple[Path, str], list[float]] = {}
    for row in given.rows:
        for _ in range(given.rounds):
            for source in given.source:
                begun = time.monotonic()
                figure = measure(row, source, given.letters, directory=directory)
                found.setdefault((source, row.name), []).append(figure)
                tell.print(f"{row.name}, {commit_of(source)}: {figure:,.0f} ({time.monotonic() - begun:.0f} s)")
    sources = [
        Source(commit_of(source), str(source), [Count(row.name, found[source, row.name]) for row in given.rows])
        for source in given.source
    ]
    return Report(platform.python_version(), _valgrind_version(), given.letters, sources)


def _valgrind_version() -> str:
    return subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def table(report: Report, rows: list[Row]) -> Table:
    """Each row's median for each checkout, the spread of its rounds, and the others' difference from the first."""
    caption = f"Python {report.python}, {report.valgrind}, {report.letters} letters counted, each alone"
    shown = Table(title="instructions of a letter", title_justify="left", caption=caption, caption_justify="left")
    shown.add_column("row", no_wrap=True)
    first = report.sources[0]
    for source in report.sources:
        shown.add_column(source.commit, justify="right", no_wrap=True)
        shown.add_column("spread", justify="right", no_wrap=True)
        if source is not first:
            shown.add_column("change", justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        cells = []
        for source in report.sources:
            own = source.counts[number]
            cells += [f"{own.median:,.0f}", f"{own.spread:.2f} %" if len(own.rounds) > 1 else ""]
            if source is not first:
                cells.append(f"{(own.median / first.counts[number].median - 1) * 100:+.2f} %")
        shown.add_row(row.name, *cells)
    return shown


def main() -> None:
    given = arguments()
    try:
        report = count(given, Console(stderr=True, highlight=False))
    except ValgrindError as error:
        sys.exit(f"instructions are not counted: {error}")
    if given.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    else:
        Console(highlight=False).print(table(report, given.rows))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
