"""Time until letters are painted in Chromium, and layout shifts meanwhile."""

from __future__ import annotations

from tests.browser.conftest import Open
from tests.browser.environment import Environment

SOON = 200
"""Milliseconds until fifty letters are painted; what a machine that runs other things is allowed is a multiple."""


def test_fifty_letters_are_painted_at_once(visit: Open, dev: Environment) -> None:
    dev.fill(*(f"Letter {number}" for number in range(50)))
    page = visit()
    page.locator(".row").first.wait_for()
    took = []
    for _ in range(5):
        page.reload()
        page.locator(".row").first.wait_for()
        took.append(
            page.evaluate(
                """() => new Promise(resolve => requestAnimationFrame(() => resolve(Math.max(
                ...performance.getEntriesByType('paint').map(each => each.startTime),
                ...performance.getEntriesByType('resource').filter(each => each.name.includes('v1/letters')).map(each => each.responseEnd)))))"""
            )
        )
    assert min(took) < SOON * 3, took
    shifts = page.evaluate(
        """() => new Promise(resolve => new PerformanceObserver(list => resolve(list.getEntries().reduce((sum, each) => sum + each.value, 0)))
        .observe({type: 'layout-shift', buffered: true}) || setTimeout(() => resolve(0), 300))"""
    )
    assert shifts < 0.02, "nothing moves while it loads"
