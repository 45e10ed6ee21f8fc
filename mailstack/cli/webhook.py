"""Commands `mailstack webhook list`, `test`, `retry` and `secret`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from mailstack.cli.argument_types import PathType
from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.cli.runner import OpenStore, run_reactor
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.times import iso8601, local_text, span_text
from mailstack.net.clock import ReactorClock
from mailstack.queue.webhooks.dispatcher import SendFailed
from mailstack.queue.webhooks.webhook import BadSecret, new_secret, read_secrets
from mailstack.server.wiring.webhooks import target_of, webhook_sink
from mailstack.store.outbox import OutboxEntry, new_id
from mailstack.store.sqlite.in_memory import InMemoryStore


@click.group()
def webhook() -> None:
    """Show, test and retry the webhooks that [[webhooks]] configures."""


@webhook.command("list")
@click.option("--waiting", is_flag=True, help="List waiting messages, oldest first.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Maximum number of messages."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
def list_(target: TargetServer, waiting: bool, limit: int, as_json: bool) -> None:
    """List the webhooks and their waiting messages.

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
    for hook in sorted({*urls, *counts}):
        count = counts[hook].count if hook in counts else 0
        oldest = counts[hook].oldest if hook in counts else None
        if as_json:
            print_json(
                {
                    "name": name_of(hook),
                    "url": urls.get(hook),
                    "events": events.get(hook, []),
                    "waiting": count,
                    "oldest": iso8601(oldest) if oldest is not None else None,
                }
            )
        age = f"{span_text(time.time() - oldest)}" if oldest is not None else ""
        url = urls.get(hook, "(not in the configuration)")
        rows.append((name_of(hook), url, ", ".join(events.get(hook, [])), str(count), age))
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
    print_table(("name", "at", "letter", "step", "attempts", "next", "trouble"), rows, empty="no messages wait")


def name_of(webhook: str) -> str:
    return webhook.removeprefix("webhook ")


@webhook.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@with_target
def retry(target: TargetServer, names: tuple[str, ...]) -> None:
    """Retry the waiting messages now, of all webhooks or of these.

    A running server retries the oldest message within a second, and the others after its success.

    \b
    Example:
      mailstack webhook retry billing
    """
    with OpenStore(target) as server:
        targets = {name_of(each.target): each.target for each in server.run(server.store.outbox.backlogs())}
        for name in names:
            if name not in targets:
                raise CommandError(f"no messages wait for {name}; `mailstack webhook list` shows the waiting messages")
        now = target.now()
        chosen = [targets[name] for name in names or sorted(targets)]
        count = sum(server.run(server.store.outbox.retry_now(hook, now)) for hook in chosen)
    click.echo(f"due now: {count}")


@webhook.command()
@click.argument("file", type=PathType(dir_okay=False))
def secret(file: Path) -> None:
    """Add a new signing secret to FILE, and print it.

    A running server signs the next message with all secrets in the file. Configure the new secret at the receiver, and
    then remove the old line. A missing file is created, readable by this user only (mode 0600).

    \b
    Example:
      mailstack webhook secret billing.secret
    """
    try:
        before = file.read_text("utf-8") if file.exists() else ""
        new = new_secret()
        whole = f"{new}\n{before}"
        read_secrets(whole)
        draft = file.with_name(f"{file.name}.new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, whole.encode())
        os.close(descriptor)
        if before:
            facts = file.stat()
            draft.chmod(facts.st_mode & 0o777)
            if os.geteuid() == 0:
                os.chown(draft, facts.st_uid, facts.st_gid)
        draft.replace(file)
    except BadSecret as error:
        raise CommandError(f"{file}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {error}") from error
    click.echo(new)


@webhook.command()
@click.argument("name")
@with_target
def test(target: TargetServer, name: str) -> None:
    """Send a test message to a webhook.

    The message is signed, and has the type "test".

    \b
    Example:
      mailstack webhook test billing
    """
    configured = {str(each.name): each for each in (target.settings.webhooks if target.settings is not None else ())}
    if name not in configured:
        names_text = ", ".join(configured) or "none"
        raise CommandError(f"there is no webhook {name}; configured: {names_text}")
    settings = configured[name]

    async def post(reactor: Any) -> None:
        clock = ReactorClock(reactor)
        octets = msgspec.json.encode({"type": "test", "timestamp": iso8601(clock.now()), "data": {"webhook": name}})
        hook = webhook_sink(settings, InMemoryStore(), clock, reactor)
        try:
            await hook.post(new_id(), octets)
        finally:
            hook.close()

    try:
        run_reactor(post)
    except SendFailed as trouble:
        raise CommandError(f"{settings.url}: {trouble}") from trouble
    click.echo(f"{settings.url} accepted the test event")
