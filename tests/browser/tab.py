"""Browser tab that tests use in turn: a tab of its own for each would cost a process, which takes a second."""

from __future__ import annotations

from typing import Any

from tests.browser.browsing import DESKTOP
from tests.waiting import PATIENCE

CONTEXT = {"reduced_motion": "reduce", "locale": "en-GB"}


def context(browser: Any, size: tuple[int, int] = DESKTOP, scheme: str = "light", **more: Any) -> Any:
    """A browser context as a tester's: English, without motion."""
    viewport = {"width": size[0], "height": size[1]}
    made = browser.new_context(viewport=viewport, color_scheme=scheme, **CONTEXT, **more)
    made.set_default_timeout(PATIENCE * 1000)
    return made


class Tab:
    """A page that is used again and again."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._page: Any = None

    def lend(self, size: tuple[int, int], scheme: str, permissions: list[str]) -> Any:
        """The page, empty, with these properties."""
        if self._page is None or self._page.is_closed():
            self._page = context(self._browser).new_page()
        page = self._page
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(media="null", color_scheme=scheme)
        page.context.grant_permissions(permissions)
        return page

    def clear(self, origin: str) -> None:
        """Removes what a test has left: storage of `origin`, cookies, permissions, routes, windows, and history."""
        page, everything = self._page, self._page.context
        everything.set_offline(False)
        everything.clear_permissions()
        everything.clear_cookies()
        page.unroute_all(behavior="ignoreErrors")
        everything.unroute_all(behavior="ignoreErrors")
        for window in everything.pages:
            if window is not page:
                window.close()
        browser = everything.new_cdp_session(page)
        browser.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        browser.send("DOMStorage.clear", {"storageId": {"securityOrigin": origin, "isLocalStorage": False}})
        page.goto("about:blank")
        page.mouse.move(0, 0)
        browser.send("Page.resetNavigationHistory")
        browser.detach()
