"""Queue of screenshots: limits, cancellation, and what a missing or broken browser means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from mailstack.testing.reactor_thread import shared_reactor_thread
from mailstack.web.screenshots import BrowserMissing, ScreenshotFailed, ScreenshotQueueFull
from tests.waiting import PATIENCE
from tests.web.screenshots.browser import html_letter, make_screenshots, picture_of, taken

LETTER = html_letter("<p>Hello")


def browser(folder: Path, script: str) -> str:
    """A program in place of the browser."""
    program = folder / "browser"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"browser": "/nowhere/chromium"}, "install Chromium"),
        ({"concurrency": 0}, "turned off"),
    ],
)
def test_without_a_browser_the_reason_has_the_remedy(settings: dict[str, Any], reason: str) -> None:
    screenshots = make_screenshots(**settings)
    assert not screenshots.is_available
    with pytest.raises(BrowserMissing, match=reason):
        picture_of(screenshots, LETTER)


def test_no_browser_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrowserMissing, match=r"no Chromium on this machine: install Chromium \(on Debian"):
        picture_of(make_screenshots(), LETTER)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has no sandbox by itself")
def test_root_has_no_sandbox(tmp_path: Path) -> None:
    screenshots = make_screenshots(browser=browser(tmp_path, "exit 1"), require_sandbox=True)
    assert not screenshots.is_available
    with pytest.raises(BrowserMissing, match="another user than root"):
        picture_of(screenshots, LETTER)


def test_a_sandbox_that_does_not_work_is_turned_off_or_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser reports it on standard error; the second start is without it."""
    calls = tmp_path / "calls"
    script = f'echo "$*" >> {calls}; case "$*" in *--no-sandbox*) exit 3;; esac; echo "No usable sandbox!" >&2; exit 1'
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ScreenshotFailed, match="ended unexpectedly"):
        picture_of(make_screenshots(browser=browser(tmp_path, script)), LETTER)
    assert ["--no-sandbox" in line for line in calls.read_text().splitlines()] == [False, True]
    with pytest.raises(BrowserMissing, match="sandbox does not work here"):
        picture_of(make_screenshots(browser=browser(tmp_path, script), require_sandbox=True), LETTER)
    assert len(calls.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 0", "ended unexpectedly"),
        (r"printf 'no JSON\000' >&4; sleep 60", "invalid message of the browser"),
        (r"""printf '{"id": 1, "error": {"message": "no targets"}}\000' >&4; cat <&3""", "no targets"),
        (r"head -c 200000000 /dev/zero | tr '\000' x >&4; cat <&3", "more than"),
    ],
)
def test_a_program_that_is_no_browser(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(ScreenshotFailed, match=reason):
        picture_of(make_screenshots(browser=browser(tmp_path, script)), LETTER)


def test_one_at_a_time_and_no_more_than_may_wait(tmp_path: Path) -> None:
    """The third is refused at once; a client that leaves ends its browser, and the next one starts."""
    started = tmp_path / "started"
    screenshots = make_screenshots(browser=browser(tmp_path, f"echo >> {started}; exec sleep 60"), queue=1)
    starts: list[int] = []

    async def crowd() -> None:
        first, second = (Deferred.fromCoroutine(taken(screenshots, LETTER)) for _ in range(2))
        with pytest.raises(ScreenshotQueueFull):
            await taken(screenshots, LETTER)
        for leaving in (first, second):
            await _until_started(started, len(starts) + 1)
            starts.append(_lines(started))
            leaving.cancel()
            with pytest.raises(CancelledError):
                await leaving

    shared_reactor_thread().call(crowd, timeout=3 * PATIENCE)
    assert starts == [1, 2]


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


async def _until_started(started: Path, number: int) -> None:
    reactor = shared_reactor_thread().reactor
    end = reactor.seconds() + PATIENCE
    while _lines(started) < number:
        assert reactor.seconds() < end
        await deferLater(reactor, 0.02)
