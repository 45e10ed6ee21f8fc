"""Commands `sendmail`, `mailq` (in the format of Postfix) and `newaliases`."""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import click

from mailstack.cli.argument_types import PathType, letter_id
from mailstack.cli.output import CommandError, last_word
from mailstack.cli.runner import OpenStore
from mailstack.cli.sendmail.enqueue import Person, prepare
from mailstack.cli.sendmail.options import (
    CONFIG,
    DATAERR,
    NOPERM,
    OK,
    TEMPFAIL,
    UNAVAILABLE,
    USAGE,
    SendmailError,
    SendmailOptions,
    parse,
)
from mailstack.cli.target import TargetServer, has_database, target_of_config, target_of_dev
from mailstack.letter.delivery import OWED, DeliveryState
from mailstack.letter.times import clean
from mailstack.store import Filter, Record
from mailstack.store.journey import sender_text

SYSTEM_CONFIG = Path("/etc/mailstack/mailstack.toml")


def main() -> None:
    """Program `mailstack-sendmail`; the name that it is called by selects mailq or newaliases."""
    called = Path(sys.argv[0]).name
    first = {"mailq": ["-bp"], "newaliases": ["-bi"]}.get(called.removeprefix("mailstack-"), [])
    sys.exit(run([*first, *sys.argv[1:]]))


def mailq() -> None:
    """Program `mailstack-mailq`."""
    sys.exit(run(["-bp", *sys.argv[1:]]))


def run(arguments: list[str], config: Path | None = None, data: Path | None = None) -> int:
    """Runs sendmail with these arguments, and returns its exit code; errors go to standard error."""
    try:
        options = parse(arguments)
        if options.mode == "aliases":
            return OK  # aliases are in the store: there is no file to rebuild
        return _do(_place(config, data), options, sys.stdin.buffer)
    except SendmailError as ended:
        code, reason = ended.code, str(ended)
    except CommandError as refused:
        code, reason = TEMPFAIL, refused.format_message()
    except PermissionError as error:
        code, reason = (
            NOPERM,
            f"{error}; see docs/howto/use-as-sendmail.md for messages of users other than that of the server",
        )
    except OSError as error:
        code, reason = TEMPFAIL, str(error)
    click.echo(f"sendmail: {' '.join(reason.split())}", err=True)
    return code


def _place(config: Path | None, data: Path | None) -> TargetServer:
    """Server of the options, the environment variables or the system configuration, else a dev environment."""
    named = config or _variable("MAILSTACK_CONFIG")
    dev = data or _variable("MAILSTACK_DATA")
    if named is None and dev is None and SYSTEM_CONFIG.exists():
        named = SYSTEM_CONFIG
    try:
        return target_of_config(named) if named is not None and data is None else target_of_dev(dev)
    except CommandError as refused:
        raise SendmailError(CONFIG, refused.format_message()) from refused


def _variable(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def _do(target: TargetServer, options: SendmailOptions, source: IO[bytes]) -> int:
    if not has_database(target) and not os.access(target.data, os.W_OK | os.X_OK):
        raise PermissionError(f"{target.data} is not writable for {caller().user}")
    if options.mode == "list":
        _list(target)
    elif options.mode == "flush":
        _flush(target, options)
    else:
        _send(target, options, source)
    return OK


def _send(target: TargetServer, options: SendmailOptions, source: IO[bytes]) -> None:
    from mailstack.cli.sendmail.enqueue import enqueue, settings_of

    config = settings_of(target)
    max_size = config.submission.max_size
    octets = source.read(max_size + 1)
    if len(octets) > max_size:
        raise SendmailError(UNAVAILABLE, f"the message is larger than the {max_size} octets of [submission] max_size")
    if not octets:
        raise SendmailError(DATAERR, "standard input is empty; it must contain the message")
    person = caller()
    domain = target.domains[0] if target.domains else config.hostname
    prepared = prepare(octets, options, person, domain)
    with OpenStore(target) as server:
        letter = server.run(enqueue(target, server, prepared, person.user))
    if options.verbose:
        click.echo(f"queued as {letter}")


def _list(target: TargetServer) -> None:

    with OpenStore(target) as server:
        for line in list_queue(server):
            click.echo(line)


def _flush(target: TargetServer, options: SendmailOptions) -> None:
    """Makes waiting deliveries due now. Raises SendmailError."""
    from mailstack.cli.queue.selection import select
    from mailstack.letter.delivery import DeliveryState
    from mailstack.letter.patterns import PatternError, domain_pattern
    from mailstack.queue.admin import QueueAdmin
    from mailstack.queue.hold_rules import DeliverySelection

    kind, value = options.only or ("", "")
    try:
        domain = domain_pattern(value) if kind == "R" else ""
    except PatternError as error:
        raise SendmailError(USAGE, f"-qR takes {error}") from error
    waiting = DeliverySelection(domain=domain, states=frozenset({DeliveryState.QUEUED}))
    with OpenStore(target) as server:
        ids = [letter_id(value)] if kind == "I" else [record.letter.id for record in select(server, waiting)]
        operator = QueueAdmin(server.store, target.now, selects=waiting.matches)
        server.run(operator.retry(ids))


def caller() -> Person:
    """Calling user, or the user that called sudo."""
    user = os.environ.get("SUDO_USER") or ""
    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
    except KeyError:
        return Person(f"user-{os.getuid()}")
    return Person(entry.pw_name, os.environ.get("NAME") or entry.pw_gecos.partition(",")[0])


class Unparsed(click.Command):
    """Command that parses -c, --data and --help, and leaves all later arguments unparsed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mine: list[str] = []
        remaining = list(args)
        while remaining and remaining[0] in {"-c", "--config", "--data", "--help"}:
            mine += remaining[: 1 if remaining[0] == "--help" else 2]
            remaining = remaining[1 if remaining[0] == "--help" else 2 :]
        super().parse_args(ctx, mine)
        ctx.params["arguments"] = remaining
        return []


@click.command(cls=Unparsed, options_metavar="[-c FILE | --data DIR] [SENDMAIL'S OPTIONS]", add_help_option=True)
@click.option("-c", "--config", type=PathType(), metavar="FILE", help="Use the server of this configuration file.")
@click.option("--data", type=PathType(), metavar="DIR", help="Use the dev environment in this directory.")
def sendmail(config: Path | None, data: Path | None, arguments: list[str]) -> None:
    """Put a message from standard input into the queue, as /usr/sbin/sendmail does.

    The server need not run. No login is needed: users that can write the data directory are trusted. Exit codes are
    those of sysexits.h. The programs mailstack-sendmail and mailstack-mailq do the same, and /usr/sbin/sendmail can be
    a link to the first.

    \b
    Options of sendmail:
      -t          take the recipients from To, Cc and Bcc
      -i          a line with a single dot does not end the message
      -f ADDRESS  envelope sender; -F NAME: full name for From
      -N WHEN     never, or success,failure,delay: when to report (NOTIFY)
      -V ID       envelope id (ENVID); -R full|hdrs: content of reports (RET)
      -bp         list the queue (mailq); -q: retry waiting messages now

    \b
    Example:
      printf 'To: alice@home.test\\nSubject: hello\\n\\nHello.\\n' | mailstack sendmail -t -i
      ln -s "$(command -v mailstack-sendmail)" /usr/sbin/sendmail
    """
    sys.exit(run(arguments, config, data))


MAX_SCANNED = 100_000
HEADING = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
EMPTY = "Mail queue is empty"


def list_queue(server: OpenStore) -> Iterator[str]:
    """Lines of mailq, oldest letter first."""
    records = server.run(server.store.history.records(Filter(states=OWED, limit=MAX_SCANNED)))
    if not records:
        yield EMPTY
        return
    yield HEADING
    for record in reversed(records):
        yield from map(clean, _entry(record, time.time()))
        yield ""
    octets = sum(record.letter.content.size for record in records)
    yield f"-- {max(1, octets // 1024)} Kbytes in {len(records)} Request{'' if len(records) == 1 else 's'}."


def _entry(record: Record, now: float) -> Iterator[str]:
    letter = record.letter
    arrived = time.strftime("%a %b %e %H:%M:%S", time.localtime(letter.arrival.at))
    owed = [delivery for delivery in record.deliveries if delivery.state in OWED]
    active = any(delivery.claimed_by is not None and delivery.lease > now for delivery in owed)
    is_held = all(delivery.state is DeliveryState.HELD for delivery in owed)
    mark = "*" if active else "!" if is_held else " "
    yield f"{letter.id}{mark} {letter.content.size:>8} {arrived}  {sender_text(letter.envelope) or 'MAILER-DAEMON'}"
    for reason, recipients in _by_reason([(last_word(one), str(one.recipient.address)) for one in owed]):
        if reason:
            yield f"({reason})".rjust(len(HEADING))
        yield from (f"{'':41}{recipient}" for recipient in recipients)


def _by_reason(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for reason, recipient in pairs:
        groups.setdefault(reason, []).append(recipient)
    return list(groups.items())
