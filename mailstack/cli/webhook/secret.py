"""Command `mailstack webhook secret`: new signing secret."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mailstack.cli.argument_types import PathType
from mailstack.cli.errors import CommandError
from mailstack.queue.webhooks.signing import BadSecret, new_secret, read_secrets


@click.command()
@click.argument("file", type=PathType(dir_okay=False))
def secret(file: Path) -> None:
    """Write a new secret on top of a file, and print it for the receiver.

    A running server signs with it from the next message on, and with the others in the file too: give it to the
    receiver, then take the old line out. A file that is not there is made, for this user alone.

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
