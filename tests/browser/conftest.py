"""One browser and one dev environment for all tests of a worker, and a tab that is cleared after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.browsing import DESKTOP, Trap, Watched, chromium
from tests.browser.environment import Environment
from tests.browser.tab import Tab, context


@pytest.fixture(scope="package")
def browser() -> Iterator[tuple[Any, Trap]]:
    # Not for the session: while Playwright is on, the thread has a running event loop, and other tests use asyncio.run.
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with Environment(tmp_path_factory.mktemp("run")) as environment:
        yield environment


@pytest.fixture(scope="package")
def tab(browser: tuple[Any, Trap]) -> Tab:
    return Tab(browser[0])


@pytest.fixture
def dev(running: Environment) -> Environment:
    """Without letters."""
    running.empty()
    return running


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: tuple[Any, Trap], dev: Environment, tab: Tab) -> Iterator[Open]:
    """Opens a page: `visit("#/queue", size=PHONE, scheme="dark")`. At the end nothing may have gone wrong on it.

    It is the tab of all tests. A second page, one with further properties, and `visit(fresh=True)` have their own.
    """
    lent: list[Watched] = []
    opened: list[tuple[Any, Watched]] = []

    def go(
        where: str = "",
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        permissions: tuple[str, ...] = (),
        fresh: bool = False,
        **more: Any,
    ) -> Any:
        if fresh or more or lent:
            own = context(browser[0], size, scheme, permissions=list(permissions), **more)
            page = own.new_page()
            opened.append((own, Watched(page, browser[1])))
        else:
            page = tab.lend(size, scheme, list(permissions))
            lent.append(Watched(page, browser[1]))
        page.goto(dev.web + where)
        return page

    yield go
    for own, _ in opened:
        own.close()
    if lent:
        tab.clear(dev.web.rstrip("/"))
    for watched in (*lent, *(each for _, each in opened)):
        watched.check()
