"""Commands `mailstack queue rule`, `pause` and `resume`: hold rules."""

from __future__ import annotations

import secrets

import click

from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.queue.selection import ADDRESSES, DOMAINS, MAX_SCANNED
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.delivery import DeliveryState
from mailstack.letter.times import clean, iso8601, local_text
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.hold_rules import is_held_by, pause_scope
from mailstack.store import Conflict, Filter
from mailstack.store.hold_rules import HoldRule

MAX_RULES = 1000
"""Maximum number of rules; each letter is compared with all of them."""

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"


@click.group()
def rule() -> None:
    """Hold messages by sender, recipient or domain, on arrival or at their next attempt.

    A running server applies a change within a second. `mailstack queue release` releases single messages.
    """


@rule.command()
@click.option(
    "--from", "sender", type=ADDRESSES, metavar="PATTERN", help="Messages from these senders; <> is the null sender."
)
@click.option("--to", "recipient", type=ADDRESSES, metavar="PATTERN", help="Messages for these recipients.")
@click.option("--domain", type=DOMAINS, metavar="PATTERN", help="Messages for this domain, or *.domain.")
@with_target
def add(target: TargetServer, sender: str | None, recipient: str | None, domain: str | None) -> None:
    """Hold messages that match all given options. A pattern may have * and ?.

    \b
    Example:
      mailstack queue rule add --from "*@marketing.home.test" --domain elsewhere.test
    """
    if not (sender or recipient or domain):
        raise click.UsageError("Give --from, --to or --domain; `mailstack queue pause` stops all outbound messages.")
    name = "r" + "".join(secrets.choice(_LETTERS) for _ in range(4))
    new = HoldRule(name, "hold", sender or "", recipient or "", domain or "", target.now())
    with OpenStore(target) as server:
        if len(server.run(server.store.hold_rules.load()).rules) >= MAX_RULES:
            raise CommandError(
                f"there are {MAX_RULES} rules, which is the maximum; remove some with `mailstack queue rule remove`"
            )
        server.run(server.store.hold_rules.add(new))
    click.echo(f"rule {name} holds {words(new)}")


@rule.command("list")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line: name, kind, sender, recipient, domain, created."
)
@with_target
def list_(target: TargetServer, as_json: bool) -> None:
    """List the rules and pauses.

    \b
    Example:
      mailstack queue rule list
    """
    with OpenStore(target, only_reads=True) as server:
        rules = server.run(server.store.hold_rules.load()).rules
    if as_json:
        for each in rules:
            print_json(
                {
                    "name": each.name,
                    "kind": each.kind,
                    "sender": each.sender,
                    "recipient": each.recipient,
                    "domain": each.domain,
                    "created": iso8601(each.created),
                }
            )
        return
    rows = [(each.name, words(each), local_text(each.created)) for each in rules]
    print_table(("rule", "holds", "since"), rows, empty="no rules")


@rule.command()
@click.argument("name")
@click.option("--keep-held", is_flag=True, help="Keep the messages of the rule held.")
@with_target
def remove(target: TargetServer, name: str, keep_held: bool) -> None:
    """Remove a rule, and release the messages that it held.

    \b
    Example:
      mailstack queue rule remove rk7f2
    """
    with OpenStore(target) as server:
        found = [each for each in server.run(server.store.hold_rules.load()).rules if each.name == name]
        if not found:
            raise CommandError(f"there is no rule {name!r}; `mailstack queue rule list` lists them")
        server.run(server.store.hold_rules.remove(name))
        count = 0 if keep_held else release_held(target, server, found[0])
    click.echo(f"removed rule {clean(name)}; released: {count}")


def words(rule: HoldRule) -> str:
    """Description of a rule."""
    if rule.kind == "pause":
        return pause_scope(rule.domain)
    parts = {"from": rule.sender, "to": rule.recipient, "in the domain": rule.domain}
    return "messages " + " ".join(f"{part} {clean(pattern)}" for part, pattern in parts.items() if pattern)


def release_held(target: TargetServer, server: OpenStore, rule: HoldRule) -> int:
    """Releases the deliveries held by a rule; returns their number. Other matching rules hold them again."""
    held = Filter(states=frozenset({DeliveryState.HELD}), limit=MAX_SCANNED)
    records = [
        record
        for record in server.run(server.store.history.records(held))
        if any(is_held_by(rule, delivery) for delivery in record.deliveries)
    ]
    operator = QueueAdmin(
        server.store, target.now, selects=lambda _, delivery: is_held_by(rule, delivery), records=records
    )
    acts = server.run(operator.release([record.letter.id for record in records], rule=rule.name))
    return sum(act.done for act in acts)


@click.command()
@click.argument("destination", type=DOMAINS, default="*")
@with_target
def pause(target: TargetServer, destination: str) -> None:
    """Pause all outbound messages, or those for DESTINATION (a domain, or *.domain).

    Messages are still accepted, and delivered to local mailboxes. Outbound messages are held until `resume`;
    `mailstack queue release` releases single messages. Attempts in progress are completed.

    \b
    Example:
      mailstack queue pause
      mailstack queue pause elsewhere.test
    """
    new = HoldRule(_name(destination), "pause", domain=destination, created=target.now())
    with OpenStore(target) as server:
        if new.name in {each.name for each in server.run(server.store.hold_rules.load()).rules}:
            raise CommandError(f"{pause_scope(destination)} is already paused; `mailstack queue resume` ends the pause")
        try:
            server.run(server.store.hold_rules.add(new))
        except Conflict as conflict:
            raise CommandError(str(conflict)) from conflict
    again = "" if destination == "*" else f" {destination}"
    click.echo(f"{pause_scope(destination)} is paused until `mailstack queue resume{again}`")


@click.command()
@click.argument("destination", type=DOMAINS, default="*")
@with_target
def resume(target: TargetServer, destination: str) -> None:
    """End a pause, and release the messages that it held.

    \b
    Example:
      mailstack queue resume
      mailstack queue resume elsewhere.test
    """
    with OpenStore(target) as server:
        found = [each for each in server.run(server.store.hold_rules.load()).rules if each.name == _name(destination)]
        if not found:
            raise CommandError(
                f"{pause_scope(destination)} is not paused; `mailstack queue rule list` lists the pauses"
            )
        server.run(server.store.hold_rules.remove(found[0].name))
        count = release_held(target, server, found[0])
    click.echo(f"resumed {pause_scope(destination)}; released: {count}")


def _name(destination: str) -> str:
    return f"pause:{destination}"
