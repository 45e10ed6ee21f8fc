"""Command `mailstack screenshot`: a letter as a PNG file, rendered by Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace
from twisted.internet.threads import deferToThreadPool

from mailstack.cli.argument_types import PathType, letter_id, unknown_letter
from mailstack.cli.output import CommandError
from mailstack.cli.runner import OpenStore, run_reactor
from mailstack.cli.target import TargetServer, with_target
from mailstack.config.model import ScreenshotsSettings
from mailstack.letter import LetterId
from mailstack.letter.letter import read_all
from mailstack.letter.parsed import parse
from mailstack.store import Store
from mailstack.web.screenshots import (
    DEFAULT_WIDTH,
    MIN_SIZE,
    LetterPage,
    Screenshot,
    ScreenshotFailed,
    Screenshots,
    letter_page,
)


@click.command()
@click.argument("id")
@click.argument("path", metavar="FILE", type=PathType(dir_okay=False))
@click.option("--width", metavar="PIXELS", type=click.IntRange(min=MIN_SIZE), default=DEFAULT_WIDTH, show_default=True,
              help="Width of the message.")  # fmt: skip
@click.option(
    "--height", metavar="PIXELS", type=click.IntRange(min=MIN_SIZE), help="Height; default: the whole message."
)
@click.option("--dark", is_flag=True, help="Prefer dark colours, as a device in dark mode does.")
@click.option("--browser", metavar="PROGRAM", help="Chromium; default: the one of -c, or on PATH.")
@with_target
def screenshot(  # options, each of a type of its own
    target: TargetServer,
    id: str,  # noqa: A002 - the argument's name in help
    path: Path,
    width: int,
    height: int | None,
    dark: bool,
    browser: str | None,
) -> None:
    """Write a screenshot of a message to FILE, as PNG.

    Chromium renders the message without a network and without scripts. The limits are those of [screenshots].

    \b
    Example:
      mailstack screenshot 1kq2v7m4e80c3xz letter.png
      mailstack screenshot 1kq2v7m4e80c3xz phone.png --width 375 --dark
    """
    settings = _settings(target, browser)
    if width > settings.max_width or (height or 0) > settings.max_height:
        raise click.UsageError(f"The maximum size is {settings.max_width} x {settings.max_height} pixels.")
    wanted = Screenshot(width, height or settings.max_height, is_whole=height is None, is_dark=dark)
    letter = letter_id(id)
    with OpenStore(target, only_reads=True) as server:
        octets = server.run(_octets(server.store, letter))
    page = letter_page(parse(octets))
    try:
        png = run_reactor(lambda reactor: _take(reactor, settings, page, wanted))
    except ScreenshotFailed as error:
        raise CommandError(str(error).rstrip(".")) from None
    try:
        path.write_bytes(png)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from None


def _settings(target: TargetServer, browser: str | None) -> ScreenshotsSettings:
    """Settings of the server; in a dev environment the sandbox may be missing."""
    settings = ScreenshotsSettings(require_sandbox=False) if target.settings is None else target.settings.screenshots
    return settings if browser is None else replace(settings, browser=browser)


async def _octets(store: Store, letter: LetterId) -> bytes:
    """Raises CommandError."""
    try:
        return await read_all(await store.contents.get(letter))
    except KeyError:
        raise unknown_letter(letter) from None


async def _take(reactor: Any, settings: ScreenshotsSettings, page: LetterPage, wanted: Screenshot) -> bytes:
    pool = reactor.getThreadPool()
    screenshots = Screenshots(reactor, settings, lambda work: deferToThreadPool(reactor, pool, work))
    return await screenshots.take(page, wanted)
