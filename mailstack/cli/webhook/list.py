"""Command `mailstack webhook list`: webhooks and their waiting messages."""

from __future__ import annotations

import time

import click

from mailstack.cli.output import print_json, print_table
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.display_text import local_text, span_text
from mailstack.letter.timestamps import iso8601
from mailstack.server.wiring.webhooks import target_of
from mailstack.store.outbox import OutboxEntry


@click.command("list")
@click.option("--waiting", is_flag=True, help="List the waiting messages, oldest first.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Maximum number of messages."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
def list_(target: TargetServer, waiting: bool, limit: int, as_json: bool) -> None:
    """List the webhooks with their number of waiting messages, or the messages.

    \b
    Example:
      mailstack webhook list
      mailstack webhook list --waiting --json | jq -r .trouble
    """
    with OpenStore(target, only_reads=True) as mail_server:
        if waiting:
            _print_waiting(mail_server.run(mail_server.store.outbox.entries(None, limit)), as_json=as_json)
            return
        counts = {each.target: each for each in mail_server.run(mail_server.store.outbox.backlogs())}
    configured = target.settings.webhooks if target.settings is not None else ()
    urls = {target_of(each): str(each.url) for each in configured}
    events = {target_of(each): list(each.events) for each in configured}
    rows = []
    for webhook in sorted({*urls, *counts}):
        count = counts[webhook].count if webhook in counts else 0
        oldest = counts[webhook].oldest if webhook in counts else None
        if as_json:
            print_json(
                {
                    "name": name_of(webhook),
                    "url": urls.get(webhook),
                    "events": events.get(webhook, []),
                    "waiting": count,
                    "oldest": iso8601(oldest) if oldest is not None else None,
                }
            )
        age = f"{span_text(time.time() - oldest)}" if oldest is not None else ""
        url = urls.get(webhook, "(not in the configuration)")
        rows.append((name_of(webhook), url, ", ".join(events.get(webhook, [])), str(count), age))
    if not as_json:
        print_table(("name", "url", "events", "waiting", "oldest"), rows, empty="no webhook is configured")


def _print_waiting(found: list[OutboxEntry], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(
                {
                    "id": each.id,
                    "name": name_of(each.target),
                    "letter": each.step.letter,
                    "step": each.step.step,
                    "at": iso8601(each.step.at),
                    "attempts": each.attempts,
                    "next_attempt": iso8601(each.due),
                    "trouble": each.trouble,
                }
            )
        return
    now = time.time()
    rows = [
        (
            name_of(each.target),
            local_text(each.step.at),
            each.step.letter,
            each.step.step,
            str(each.attempts),
            f"in {span_text(each.due - now)}" if each.due > now else "now",
            each.trouble,
        )
        for each in found
    ]
    print_table(("name", "at", "letter", "step", "attempts", "next", "trouble"), rows, empty="nothing waits")


def name_of(webhook: str) -> str:
    """Configured name of a webhook."""
    return webhook.removeprefix("webhook ")
