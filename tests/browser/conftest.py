"""One dev environment for all tests of a worker, a browser for those of a file, a page of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.browsing import DESKTOP, Trap, Watched, chromium
from tests.browser.environment import Environment


@pytest.fixture(scope="module")
def browser() -> Iterator[tuple[Any, Trap]]:
    # Not for the session: while Playwright is on, the thread has a running event loop, and other tests use asyncio.run.
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with Environment(tmp_path_factory.mktemp("run")) as environment:
        yield environment


@pytest.fixture
def dev(running: Environment) -> Environment:
    """Without letters."""
    running.empty()
    return running


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: tuple[Any, Trap], dev: Environment) -> Iterator[Open]:
    """Opens a page: `visit("#/queue", size=PHONE, scheme="dark")`. At the end nothing may have gone wrong on it."""
    opened: list[tuple[Any, Watched]] = []

    def go(where: str = "", *, size: tuple[int, int] = DESKTOP, scheme: str = "light", **more: Any) -> Any:
        context = browser[0].new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            locale="en-GB",
            **more,
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        opened.append((context, Watched(page, browser[1])))
        page.goto(dev.web + where)
        return page

    yield go
    for context, watched in opened:
        context.close()
        watched.check()
