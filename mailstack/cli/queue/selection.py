"""Options of queue commands for the choice of deliveries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click
from msgspec.structs import replace

from mailstack.cli.argument_types import Since, When
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer
from mailstack.letter.delivery import OWED, DeliveryState
from mailstack.letter.patterns import PatternError, address_pattern, domain_pattern
from mailstack.queue.hold_rules import DeliverySelection
from mailstack.store import Record

MAX_SCANNED = 100_000
"""Maximum number of letters that one command reads."""


class Pattern(click.ParamType[str]):
    """A pattern of addresses or domains; `read` raises PatternError."""

    name = "pattern"

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self._read(value)
        except PatternError as error:
            self.fail(f"expected {error}, got {value!r}", param, ctx)


ADDRESSES = Pattern(address_pattern)
DOMAINS = Pattern(domain_pattern)


def with_selection(*states: DeliveryState) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds selection options to a command, as `selection`; `states` is the default of --state."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--from",
            "sender",
            type=ADDRESSES,
            metavar="PATTERN",
            help="Only from these senders; <> is the null sender.",
        )
        @click.option("--to", "recipient", type=ADDRESSES, metavar="PATTERN", help="Only for these recipients.")
        @click.option(
            "--domain", type=DOMAINS, metavar="PATTERN", help="Only for recipients in this domain, or *.domain."
        )
        @click.option(
            "--older", type=Since(), metavar="AGE", help="Only messages older than this: 30m, 2h, 7d, 2026-11-23."
        )
        @click.option("--newer", type=Since(), metavar="AGE", help="Only messages newer than this.")
        @click.option(
            "--reason", metavar="TEXT", help="Only with this text in the status or reply of the last attempt."
        )
        @click.option(
            "--state", type=click.Choice([*map(str, sorted(OWED))]), help="Only queued, or only held messages."
        )
        @functools.wraps(command)
        def chosen(target: TargetServer, /, **options: Any) -> Any:
            now = target.now()
            state = options.pop("state")
            selection = DeliverySelection(
                options.pop("sender") or "",
                options.pop("recipient") or "",
                options.pop("domain") or "",
                _at(options.pop("newer"), now),
                _at(options.pop("older"), now),
                options.pop("reason") or "",
                frozenset({DeliveryState(state)}) if state else frozenset(states) or OWED,
            )
            return command(target, selection=selection, **options)

        return chosen

    return decorate


def _at(when: When | None, now: float) -> float | None:
    return None if when is None else when.at(now)


def select(server: OpenStore, selection: DeliverySelection, limit: int = MAX_SCANNED) -> list[Record]:
    """Letters with a selected delivery, with all their deliveries, newest first."""
    found = server.run(server.store.history.records(selection.filter(MAX_SCANNED)))
    meant = [
        record for record in found if any(selection.matches(record.letter, delivery) for delivery in record.deliveries)
    ]
    return meant[:limit]


def narrowed(records: Sequence[Record], selection: DeliverySelection) -> list[Record]:
    """Letters with only their selected deliveries."""
    return [
        replace(record, deliveries=tuple([one for one in record.deliveries if selection.matches(record.letter, one)]))
        for record in records
    ]
