"""Prints the table: for a terminal, as Markdown for the documents, or as JSON."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import ssl
import sys
import time
from pathlib import Path

from attrs import asdict
from rich.console import Console
from rich.table import Table

import mailstack
import twisted
from tests.benchmarks.table.results import Results
from tests.benchmarks.table.rows import Judged, Row

HEAD = ("work", "mailstack", "range", "peer", "ratio", "asked", "holds")


PAGE = """# The table: how fast it is beside Postfix and Dovecot

This page is what `make bench ARGS=--markdown` prints. What limits each row, what was tried, and how else it is measured, stands in [how fast it is](../explanation/performance.md).

| | |
| --- | --- |
{facts}

* mailstack is `mailstack serve` with accounts, TLS, AUTH, policies, `Received:` fields, journeys and its log as they come, `synchronous = FULL`, each `250` after the commit of the letter and of its mailbox's entry. Passwords are hashed at bcrypt's least cost, for the peers' are not hashed at all.
* Postfix and Dovecot are those of the system's packages, as private instances beside it, Postfix without a log and Dovecot with one in a file, without look-ups, with `in_flow_delay = 0`; accepting, Postfix puts letters on hold and delivers none; Dovecot is in its high-performance mode (processes are used again).
* All sites of a row are started anew, are alive at the same time, on loopback and on the same disk, and are measured in turn. The client is one thread of Python for both; a letter has 4 KB if nothing else is said.
* How long a reactor was held is measured in one round more, of a site that was started anew with no other client.
* A ratio says how many times better mailstack is; a figure is a median, with its range over the rounds.
* "Spread": the work is done among 1,000 to 1,000,000 letters, or 10 to 10,000 accounts; the largest median is so much above the least.

{table}

## Where it falls short

{lost}
"""


def number(value: float | None) -> str:
    """With as many digits as mean something."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cells(row: Row, judged: Judged) -> tuple[str, ...]:
    """In the order of HEAD."""
    if judged.ours is None:
        return (row.work, "", "", "", "", row.asks, judged.note)
    holds = {None: "", True: "yes", False: "**no**"}[judged.holds]
    return (
        row.work,
        f"{number(judged.ours)} {row.unit}",
        "" if judged.least == judged.most else f"{number(judged.least)} to {number(judged.most)}",
        "" if judged.peer is None else f"{number(judged.peer)} ({judged.peer_name})",
        "" if judged.ratio is None else f"{judged.ratio:.2f}",
        row.asks,
        ", ".join(text for text in (holds, judged.note) if text),
    )


def where(results: Results) -> list[tuple[str, str]]:
    """Machine, versions, and how busy the client was."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = (
        f"mailstack {mailstack.__version__}, Python {platform.python_version()}, Twisted {twisted.__version__},"
        f" SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}"
    )
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("machine", f"{os.cpu_count()} of {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}"),
        (
            "versions",
            ", ".join([versions, *sorted({each for _, told in results.peers.values() for each in told.split(", ")})]),
        ),
        ("client", f"at most {max(results.ours('client_cpu'), default=0):.0%} of a core"),
    ]


def losing(judged: list[tuple[Row, Judged]]) -> list[str]:
    """Where less was reached than is asked."""
    return [row.work for row, found in judged if found.holds is False]


def terminal(judged: list[tuple[Row, Judged]], results: Results, method: str) -> None:
    """For people."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table(*HEAD, box=None, pad_edge=False)
    for row, found in judged:
        table.add_row(*(text.replace("**", "") for text in cells(row, found)))
    for name, text in [*where(results), ("method", method)]:
        console.print(f"{name}: {text}", highlight=False)
    console.print(table)


def markdown(judged: list[tuple[Row, Judged]], results: Results, method: str) -> str:
    """The whole of docs/reference/speed.md."""
    facts = "\n".join(f"| {name} | {text} |" for name, text in [*where(results), ("method", method)])
    rows = "\n".join(f"| {' | '.join(cells(row, found))} |" for row, found in judged)
    lost = "\n".join(f"* {work}" for work in losing(judged)) or "Nowhere."
    head = f"| {' | '.join(HEAD)} |\n| {' | '.join('---' for _ in HEAD)} |"
    return PAGE.format(facts=facts, table=f"{head}\n{rows}", lost=lost)


def as_json(judged: list[tuple[Row, Judged]], results: Results, method: str) -> str:
    """One document, with each round's figures."""
    rows = [
        {"row": row.name, "work": row.work, "unit": row.unit, "asks": row.asks, **asdict(found)}
        for row, found in judged
    ]
    facts = {**dict(where(results)), "method": method}
    return json.dumps({**facts, "rows": rows, "rounds": results.rounds, "trouble": results.trouble})
