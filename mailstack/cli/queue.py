"""`mailstack queue`: what waits, why and until when; and the operator's four acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

import click

from mailstack.accounts.directory import StoreDirectory
from mailstack.cli.names import letter_id, unknown_letter
from mailstack.cli.place import Place, at_place
from mailstack.cli.printing import clean, print_json, print_table, size_text
from mailstack.cli.records import due_text, last_word, record_json, sender_text
from mailstack.cli.refusal import Refused
from mailstack.cli.run import Carrier, OpenStore
from mailstack.cli.when import local_text
from mailstack.letter import LetterId
from mailstack.letter.terms import released_at
from mailstack.net.clock import ReactorClock
from mailstack.queue.bounce import Bouncer
from mailstack.queue.delivery import OWED, DeliveryState
from mailstack.queue.operator import Act, Operator
from mailstack.queue.route import Router
from mailstack.store import Filter, Record

MOST = 100_000
"""Letters that `--all` looks at."""

ids_argument = click.argument("ids", metavar="ID...", nargs=-1, required=True)


@click.group()
def queue() -> None:
    """See what waits and why; hold, release, retry or remove it.

    A running office sees a change within a second, and a stopped one when it starts.
    """


@queue.command("list")
@click.option("--limit", type=click.IntRange(1, MOST), default=1000, show_default=True, help="At most so many letters.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@at_place
def list_(place: Place, limit: int, as_json: bool) -> None:
    """List the letters that wait: for whom, why, and until when. The newest first.

    \b
    Example:
      mailstack queue list
      mailstack queue list --json | jq -r 'select(.sender == "alice@home.test") | .id'
    """
    with OpenStore(place) as office:
        records = office.run(office.store.records(Filter(states=OWED, limit=limit)))
    if as_json:
        for record in records:
            print_json(record_json(record))
        return
    now = time.time()
    rows = [
        (
            record.letter.id,
            local_text(record.letter.arrival.at),
            sender_text(record.letter.envelope) or "<>",
            str(delivery.recipient.address),
            size_text(record.letter.content.size),
            str(delivery.attempts),
            due_text(delivery, now),
            last_word(delivery),
        )
        for record in records
        for delivery in record.deliveries
        if delivery.state in OWED
    ]
    print_table(("id", "arrived", "from", "to", "size", "tries", "next", "last heard"), rows, empty="nothing waits")


@queue.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@at_place
def show(place: Place, id: str, as_json: bool) -> None:  # noqa: A002 - the name in the help text
    """Show one letter, recipient by recipient.

    What became of each, and what the other host said. `mailstack journey ID` tells the same letter's history.

    \b
    Example:
      mailstack queue show 1kq2v7m4e80c3xz
    """
    wanted = letter_id(id)
    with OpenStore(place) as office:
        record = _record(office, wanted)
    if as_json:
        print_json(record_json(record))
        return
    letter, now = record.letter, time.time()
    click.echo(
        clean(
            f"Letter {letter.id} from {sender_text(letter.envelope) or '<>'}, {size_text(letter.content.size)},"
            f" arrived {local_text(letter.arrival.at)} at {letter.arrival.office}"
        )
    )
    for delivery in record.deliveries:
        state = str(delivery.state)
        if delivery.state is DeliveryState.QUEUED:
            state += f", next attempt {due_text(delivery, now)}"
        click.echo(clean(f"  {delivery.recipient.address}: {state}; attempts: {delivery.attempts}"))
        if delivery.text or delivery.status:
            click.echo(clean(f"    {last_word(delivery)}"))


@queue.command()
@ids_argument
@at_place
def hold(place: Place, ids: tuple[str, ...]) -> None:
    """Make no attempt for these letters until they are released.

    \b
    Example:
      mailstack queue hold 1kq2v7m4e80c3xz
    """
    _act(place, ids, "held", lambda operator, letters: operator.hold(letters))


@queue.command()
@ids_argument
@at_place
def release(place: Place, ids: tuple[str, ...]) -> None:
    """Let go on with letters that were held, at once.

    \b
    Example:
      mailstack queue release 1kq2v7m4e80c3xz
    """
    _act(place, ids, "released", lambda operator, letters: operator.release(letters))


@queue.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option(
    "--all", "all_", is_flag=True, help="Every letter that waits, is not held, and need not wait for its time."
)
@at_place
def retry(place: Place, ids: tuple[str, ...], all_: bool) -> None:
    """Make the next attempt now, and not when it is due.

    A letter that its sender wants held back goes before its time when it is named here; --all leaves it.

    \b
    Example:
      mailstack queue retry 1kq2v7m4e80c3xz
      mailstack queue retry --all
    """
    if bool(ids) == all_:
        raise click.UsageError("Give letters' ids, or --all.")
    _act(place, ids, "due now", lambda operator, letters: operator.retry(letters), every=all_)


@queue.command()
@ids_argument
@click.option("--bounce", is_flag=True, help="Tell the senders, as if the letters had been refused.")
@at_place
def remove(place: Place, ids: tuple[str, ...], bounce: bool) -> None:
    """Take letters out of the queue; nobody gets them any more.

    Recipients that have the letter already keep it.

    \b
    Example:
      mailstack queue remove 1kq2v7m4e80c3xz --bounce
    """
    if not bounce:
        _act(place, ids, "removed", lambda operator, letters: operator.remove(letters))
        return
    with OpenStore(place) as office:
        clock = ReactorClock(Carrier())  # type: ignore[arg-type] # only the time is asked
        router = Router(StoreDirectory(office.store, place.domains, clock))
        acts: list[Act] = []
        for letter in _letters(ids):
            taken_by = _record(office, letter).letter.arrival.office
            operator = Operator(office.store, time.time)
            acts += office.run(operator.remove([letter], bouncer=Bouncer(router, taken_by)))
    _tell(acts, "removed")


def _act(
    place: Place,
    ids: Sequence[str],
    done: str,
    wish: Callable[[Operator, list[LetterId]], Coroutine[Any, Any, list[Act]]],
    *,
    every: bool = False,
) -> None:
    letters = _letters(ids)
    with OpenStore(place) as office:
        if every:
            waiting = Filter(states=frozenset({DeliveryState.QUEUED}), limit=MOST)
            now = time.time()
            # What a sender wants held back is let go only by name.
            records = office.run(office.store.records(waiting))
            letters = [record.letter.id for record in records if released_at(record.letter) <= now]
        acts = office.run(wish(Operator(office.store, time.time), letters))
    _tell([act for act in acts if act.done] if every else acts, done)


def _letters(ids: Sequence[str]) -> list[LetterId]:
    return list(dict.fromkeys(letter_id(each) for each in ids))


def _record(office: OpenStore, wanted: LetterId) -> Record:
    records = office.run(office.store.records(Filter(ids=(wanted,), limit=1)))
    if not records:
        raise unknown_letter(wanted)
    return records[0]


def _tell(acts: Sequence[Act], done: str) -> None:
    """Say what was done; raise Refused when a letter stayed wholly as it was."""
    for act in acts:
        if act.done:
            report = act.step.facts.get("report") if act.step else None
            told = f", and the sender told with {report}" if report else ""
            click.echo(clean(f"{act.letter} to {act.recipient}: {done}{told}"))
    touched = {act.letter for act in acts if act.done}
    reasons: dict[LetterId, dict[str, None]] = {}
    for act in acts:
        if act.letter not in touched:
            reasons.setdefault(act.letter, {})[act.why_not] = None
    if reasons:
        told = "; ".join(f"{letter}: {_why_not(whys)}" for letter, whys in reasons.items())
        raise Refused(f"nothing was done for {told} (`mailstack queue list` shows what waits)")
    if not acts:
        click.echo("nothing waits")


def _why_not(reasons: Collection[str]) -> str:
    """Why a letter stayed as it was; when its recipients differ, "it is" is not said of all of them."""
    if len(reasons) == 1:
        return next(iter(reasons))
    return "its recipients differ: " + ", ".join(reason.removeprefix("it is ") for reason in reasons)
