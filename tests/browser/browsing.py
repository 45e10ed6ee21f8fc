"""Chromium with Playwright for tests of the pages; it traps requests to other hosts."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.waiting import PATIENCE

OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PHONE, DESKTOP, WIDE = (360, 740), (1100, 800), (1440, 900)
SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
FORBIDDEN = "elsewhere.example"
"""Where the letters of the tests have their pictures, styles and frames. (Chromium asks for its makers' hosts by itself.)"""


class Trap:
    """A port to which the browser is led for every name but this machine's: whoever comes is one too many."""

    def __init__(self) -> None:
        self.caught: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._catch, daemon=True).start()

    def _catch(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            caller.settimeout(1)
            with caller, suppress(OSError):
                # The name stands in clear in a request's Host field and in the greeting of TLS (RFC 6066 §3).
                self.caught += re.findall(
                    r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}", caller.recv(8192).decode("latin-1")
                )

    def close(self) -> None:
        self._listener.close()


@contextmanager
def chromium() -> Iterator[tuple[Any, Trap]]:
    """A browser, and the trap for what it asks of others; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")
    trap = Trap()
    led = f"--host-resolver-rules=MAP * 127.0.0.1:{trap.port}, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=[*OPTIONS, led])
        yield browser, trap
        browser.close()
    trap.close()


def until(page: Any, expression: str) -> None:
    """Wait until JavaScript's expression holds; Playwright's own way evaluates strings in the page, which its policy forbids."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"for {PATIENCE:g} seconds it was not so that {expression}"
        page.wait_for_timeout(20)


def settle(page: Any) -> None:
    """Wait until the page is painted as it is now, and no transition is under way."""
    page.evaluate(
        """async () => { for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
        await Promise.allSettled(document.getAnimations().filter(each => each instanceof CSSTransition).map(each => each.finished)); }"""
    )


class Watched:
    """What a page did that it should not have done."""

    def __init__(self, page: Any, trap: Trap) -> None:
        self._page, self._trap = page, trap
        trap.caught.clear()
        self._errors: list[str] = []
        page.on("pageerror", self._note)

    def _note(self, error: Any) -> None:
        self._errors.append(str(error))

    def check(self) -> None:
        """No script failed, and no other host was asked. Afterwards the page is no longer watched."""
        self._page.remove_listener("pageerror", self._note)
        assert not self._errors, self._errors
        asked = [name for name in self._trap.caught if name.endswith(FORBIDDEN)]
        assert not asked, asked
