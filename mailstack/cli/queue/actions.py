"""Commands `mailstack queue hold`, `release`, `retry`, `remove` and `redirect`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, Literal

import click
from msgspec import Struct
from msgspec.structs import replace

from mailstack.cli.argument_types import address as parse_address
from mailstack.cli.argument_types import letter_id
from mailstack.cli.output import CommandError, confirm
from mailstack.cli.output import yes as yes_option
from mailstack.cli.queue.context import router_of
from mailstack.cli.queue.selection import narrowed, select, with_selection
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter import Letter, LetterId
from mailstack.letter.delivery import OWED, Delivery, DeliveryState
from mailstack.letter.time_parameters import released_at
from mailstack.letter.times import clean
from mailstack.queue.admin import BATCH_SIZE, ActionResult, QueueAdmin
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import DeliverySelection
from mailstack.store import Filter, Record

Action = Callable[[OpenStore, QueueAdmin, Sequence[LetterId]], Coroutine[Any, Any, list[ActionResult]]]
"""Action on letters."""

Confirmation = Literal["filters", "selection", "always"]
"""Letters for which an action is confirmed: those of filters; of filters and --all; or any."""

MAX_LISTED = 20
"""Maximum number of deliveries that are listed one by one."""


class ChosenLetters(Struct, frozen=True):
    """Letters that a command acts on: by id, by filters, or all."""

    ids: tuple[str, ...]
    selection: DeliverySelection
    every: bool = False
    confirmed: bool = False
    """Whether the command runs without a confirmation prompt."""


def with_letters(
    *states: DeliveryState, metavar: str = "[ID...]"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds ids, filters, --all and --yes to a command, as `chosen`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.argument("ids", metavar=metavar, nargs=-1)
        @click.option("--all", "every", is_flag=True, help="All waiting messages.")
        @yes_option
        @with_target
        @with_selection(*states)
        def choose(
            target: TargetServer,
            ids: tuple[str, ...],
            selection: DeliverySelection,
            every: bool,
            yes: bool,
            **options: Any,
        ) -> Any:
            return command(target, ChosenLetters(ids, selection, every, yes), **options)

        choose.__doc__ = command.__doc__
        return choose

    return decorate


@click.command()
@with_letters(DeliveryState.QUEUED)
def hold(target: TargetServer, chosen: ChosenLetters) -> None:
    """Hold messages until they are released.

    With filters, only matching recipients are held, after a confirmation.

    \b
    Example:
      mailstack queue hold 1kq2v7m4e80c3xz
      mailstack queue hold --domain elsewhere.test --yes
    """
    act(target, chosen, "hold", "held", lambda _server, operator, letters: operator.hold(letters))


@click.command()
@with_letters(DeliveryState.HELD)
def release(target: TargetServer, chosen: ChosenLetters) -> None:
    """Release held messages, and attempt them at once.

    A released message ignores the current rules and pauses. Recipients that `[relay] allowed_domains` does not allow are
    held again.

    \b
    Example:
      mailstack queue release 1kq2v7m4e80c3xz
      mailstack queue release --from "*@home.test"
    """
    act(target, chosen, "release", "released", lambda _server, operator, letters: operator.release(letters))


@click.command()
@with_letters(DeliveryState.QUEUED)
def retry(target: TargetServer, chosen: ChosenLetters) -> None:
    """Retry messages now, before they are due.

    A message with a future release time (HOLDFOR) is only retried if its id is given, not with --all or filters.

    \b
    Example:
      mailstack queue retry 1kq2v7m4e80c3xz
      mailstack queue retry --reason "connection refused" --yes
      mailstack queue retry --all
    """
    act(target, chosen, "retry", "due now", lambda _server, operator, letters: operator.retry(letters), asks="filters")


@click.command()
@click.option("--bounce", is_flag=True, help="Send bounces to the senders.")
@with_letters(*OWED)
def remove(target: TargetServer, chosen: ChosenLetters, bounce: bool) -> None:
    """Remove messages from the queue without delivery.

    Recipients that have the message already keep it. The command asks first. In a script, give --yes.

    \b
    Example:
      mailstack queue remove 1kq2v7m4e80c3xz --bounce
      mailstack queue remove --from spammer@home.test --yes
    """

    async def removed(server: OpenStore, operator: QueueAdmin, letters: Sequence[LetterId]) -> list[ActionResult]:
        if not bounce:
            return await operator.remove(letters)
        found = await server.store.history.records(Filter(ids=tuple(letters), limit=len(letters)))
        taken_by = {record.letter.id: record.letter.arrival.server for record in found}
        acts: list[ActionResult] = []
        for name in dict.fromkeys(taken_by.get(letter, "") for letter in letters):
            its = [letter for letter in letters if taken_by.get(letter, "") == name]
            acts += await operator.remove(its, bouncer=Bouncer(router_of(target, server), name))
        return acts

    act(target, chosen, "remove", "removed", removed, asks="always")


def act(
    target: TargetServer,
    chosen: ChosenLetters,
    verb: str,
    done: str,
    action: Action,
    *,
    asks: Confirmation = "selection",
) -> None:
    """Acts on the chosen letters and prints the results."""
    if sum((bool(chosen.ids), chosen.every, chosen.selection.narrows)) != 1:
        raise click.UsageError("Give letter ids, or filters such as --to and --reason, or --all.")
    ids = [letter_id(each) for each in chosen.ids]
    with OpenStore(target) as server:
        if ids:
            if asks == "always" and not chosen.confirmed:
                _confirm_ids(server, verb, ids)
            operator = QueueAdmin(server.store, target.now)
            _print_results(server.run(action(server, operator, ids)), done)
            return
        now = target.now()

        def takes(letter: Letter, delivery: Delivery) -> bool:
            # A letter with a future release time is retried by id only.
            return chosen.selection.matches(letter, delivery) and not (verb == "retry" and released_at(letter) > now)

        records = [
            record
            for record in select(server, chosen.selection)
            if any(takes(record.letter, delivery) for delivery in record.deliveries)
        ]
        if not records:
            click.echo("the queue is empty" if chosen.every else "no waiting message matches")
            return
        if not chosen.confirmed and not (asks == "filters" and chosen.every):
            confirm(f"{verb} {_summary(narrowed(records, chosen.selection))}?")
        # The queue may have changed during the confirmation prompt.
        operator = QueueAdmin(server.store, target.now, selects=takes, records=records if chosen.confirmed else ())
        letters = [record.letter.id for record in records]
        groups = [letters[at : at + BATCH_SIZE] for at in range(0, len(letters), BATCH_SIZE)]
        _print_counts((server.run(action(server, operator, group)) for group in groups), done, len(records))


def _confirm_ids(server: OpenStore, verb: str, ids: Sequence[LetterId]) -> None:
    """Asks for confirmation, unless none of the letters is waiting, which the action reports."""
    found = server.run(server.store.history.records(Filter(ids=tuple(ids), limit=len(ids))))
    if waiting := [each for each in narrowed(found, DeliverySelection(states=OWED)) if each.deliveries]:
        confirm(f"{verb} {_summary(waiting)}?")


def _summary(records: Sequence[Record]) -> str:
    count = sum(len(record.deliveries) for record in records)
    return f"{_count(len(records), 'message')} to {_count(count, 'recipient')}"


def _print_results(acts: Sequence[ActionResult], done: str) -> None:
    """Prints the results. Raises CommandError if a letter remained unchanged."""
    for each in acts:
        if each.done:
            click.echo(clean(_done_text(each, done)))
    _refuse(acts)


def _print_counts(results: Iterable[list[ActionResult]], done: str, count: int) -> None:
    """Lists few results, counts many, and shows a progress bar."""
    acts: list[ActionResult] = []
    with click.progressbar(length=count, file=sys.stderr, hidden=count <= MAX_LISTED) as bar:
        for result in results:
            acts += result
            bar.update(len({each.letter for each in result}))
    successes = [each for each in acts if each.done]
    for each in successes if len(successes) <= MAX_LISTED else ():
        click.echo(clean(_done_text(each, done)))
    letters = len({each.letter for each in successes})
    click.echo(f"{done}: {_count(letters, 'message')} to {_count(len(successes), 'recipient')}")
    failures = [each for each in acts if not each.done and "already" not in each.refusal_reason]
    if failures:
        raise CommandError(
            f"{_count(len(failures), 'recipient')} not changed; the first: {failures[0].letter}: {failures[0].refusal_reason}"
        )


def _done_text(act: ActionResult, done: str) -> str:
    report = act.step.facts.get("report") if act.step else None
    return f"{act.letter} to {act.recipient}: {done}{f', and bounced with {report}' if report else ''}"


def _refuse(acts: Sequence[ActionResult]) -> None:
    touched = {act.letter for act in acts if act.done}
    reasons: dict[LetterId, dict[str, None]] = {}
    for each in acts:
        if each.letter not in touched:
            reasons.setdefault(each.letter, {})[each.refusal_reason] = None
    if reasons:
        text = "; ".join(f"{letter}: {_refusal_text(each)}" for letter, each in reasons.items())
        raise CommandError(f"nothing was changed: {text} (`mailstack queue list` shows the queue)")


def _refusal_text(reasons: Collection[str]) -> str:
    """Reasons why a letter was not changed."""
    if len(reasons) == 1:
        return next(iter(reasons))
    return "by recipient: " + ", ".join(reason.removeprefix("it is ") for reason in reasons)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@click.command()
@with_letters(*OWED, metavar="[ID...] ADDRESS")
def redirect(target: TargetServer, chosen: ChosenLetters) -> None:
    """Send messages to ADDRESS instead.

    Each waiting recipient is replaced; recipients that have the message keep it. The sender stays the same, and a bounce
    names the original recipient, as with an alias. The redirection is a step of the journey.

    \b
    Example:
      mailstack queue redirect 1kq2v7m4e80c3xz bob@home.test
      mailstack queue redirect --to carl@elsewhere.test carol@elsewhere.test
    """
    if not chosen.ids:
        raise click.UsageError("Give the new recipient ADDRESS.")
    recipient = parse_address(chosen.ids[-1], target.domains)
    chosen = replace(chosen, ids=chosen.ids[:-1])
    act(
        target,
        chosen,
        f"redirect to {recipient}",
        f"redirected to {recipient}",
        lambda server, operator, letters: operator.redirect(letters, recipient, router_of(target, server)),
    )
