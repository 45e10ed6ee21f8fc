"""`mailstack store copy`: moves an office to another store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from mailstack.cli.paths import PathType, StoreType
from mailstack.cli.printing import print_json
from mailstack.cli.refusal import Refused
from mailstack.cli.run import give_to_owner
from mailstack.cli.store.naming import is_url, kept_with, objects_of, seen_with, source, target
from mailstack.cli.store.telling import telling
from mailstack.moving import Side


@click.command()
@click.argument("from_", type=StoreType(), metavar="FROM")
@click.argument("to", type=StoreType(), metavar="TO")
@click.option(
    "--objects-from",
    type=PathType(exists=True, dir_okay=False),
    metavar="FILE",
    help="Bring contents along from the object store of this configuration; else they stay there, and are named.",
)
@click.option(
    "--objects-to",
    type=PathType(exists=True, dir_okay=False),
    metavar="FILE",
    help="Put large contents into the object store of this configuration.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each step; the last says what was copied."
)
def copy(from_: str, to: str, objects_from: Path | None, objects_to: Path | None, as_json: bool) -> None:
    """Copy the office of FROM into the empty store TO, and verify the copy.

    Each of them is a data directory or a postgresql:// URL. FROM must be stopped, and is not changed; what TO holds may
    only be the same copy that was broken off: then it goes on where it was. Letters keep their ids, mailboxes their
    UIDs: no reader sees a letter twice. When all is there, both are read once more and compared; an office begins in TO
    only after that.

    A content that is damaged in FROM is named and left behind; all else is copied, and the exit status is 1. In the copy
    its letter is refused to readers and held in the queue, as in FROM.

    Contents in an object store stay where they are, and the copy names them: the office needs the same [contents] as
    before. With --objects-from they come along into what TO has for large contents: its files or rows, or the object store
    of --objects-to. Nothing is removed from the one that they come from.

    \b
    Example:
      mailstack store copy /var/lib/mailstack postgresql://mailstack@db.example.org/mailstack
      mailstack store copy postgresql://mailstack@db.example.org/mailstack /var/lib/mailstack
    """
    from mailstack.moving.checking import named_objects
    from mailstack.moving.comparing import differences
    from mailstack.moving.copying import copy as copy_all

    if from_ == to:
        raise click.UsageError("FROM and TO are the same.")
    directories = None if is_url(from_) or is_url(to) else (Path(from_), Path(to))
    with (
        objects_of(objects_from) as old,
        objects_of(objects_to) as new,
        source(from_) as here,
        target(to) as there,
    ):
        if new is not None and old is None and next(named_objects(here), None) is not None:
            raise Refused(
                f"contents of {here.name} are in an object store: say which with --objects-from, so that they come along"
            )
        _check_database(here)
        whole, kept = seen_with(here, old), kept_with(there, new)
        damaged: list[str] = []
        with telling(as_json=as_json) as say:
            copy_all(whole, kept, say)
            different = differences(
                whole, kept, say, lambda side, fault: damaged.append(fault) if side is whole else None
            )
        staying = sum(1 for _ in named_objects(there)) if new is None else 0
        if different:
            names = ", ".join(each.table for each in different)
            raise Refused(
                f"the copy is not the same in: {names}. {here.name} was changed since the copy began, or a disk is bad;"
                f" empty {there.name} and copy again. No office begins there"
            )
        others = _copy_belongings(*directories) if directories else []
        if not is_url(to) and os.geteuid() == 0:
            # A server could not write files of root: a new directory belongs to whom the old one did.
            if directories and Path(to).stat().st_uid == 0:
                os.chown(to, directories[0].stat().st_uid, directories[0].stat().st_gid)
            give_to_owner(Path(to), Path(to).rglob("*"))
        there.finish()
    _report_damaged(damaged, as_json=as_json)
    if as_json:
        print_json(
            {
                "step": "done",
                "from": here.name,
                "to": there.name,
                "files": others,
                "objects": staying,
                "damaged": len(damaged),
            }
        )
    else:
        _report_done(here, there, directories, others, staying)
    if damaged:
        raise Refused(f"{len(damaged)} contents are damaged in {here.name}, and are missing in the copy; see above")


def _report_done(
    here: Side, there: Side, directories: tuple[Path, Path] | None, others: Sequence[str], staying: int
) -> None:
    """What was copied, and what was not, for people."""
    click.echo(f"copied and compared: {here.name} is in {there.name} now. Start it there, and never again where it was")
    if others:
        click.echo(f"copied too: {', '.join(others)}")
    elif directories is None:
        click.echo("keys, certificates and the catalogue stay in the `data` directory, which the office still needs")
    if staying:
        click.echo(
            f"{staying} contents stay in their object store: keep [contents] as it is (--objects-from brings them along)"
        )


def _check_database(here: Side) -> None:
    """Raises Refused for one whose indexes or pages are broken: a copy of it would lack rows without a word."""
    if faults := list(here.integrity()):
        raise Refused(
            f"{here.name} is damaged, and was not copied; the first of {len(faults)} faults: {faults[0]}."
            " `mailstack store verify` names all; docs/howto/rescue-letters.md says what to do"
        )


def _report_damaged(damaged: Sequence[str], *, as_json: bool) -> None:
    """A line for each content that was left behind."""
    for fault in damaged:
        if as_json:
            print_json({"step": "fault", "fault": fault})
        else:
            click.echo(f"not copied: {fault}", err=True)


def _copy_belongings(here: Path, there: Path) -> list[str]:
    import sqlite3

    from mailstack.moving.belongings import copy_belongings

    try:
        return [str(path) for path in copy_belongings(here, there)]
    except sqlite3.Error as error:
        raise Refused(
            f"the catalogue of {here} can't be copied: {error}; it may be removed, and is made anew"
        ) from error
