"""Hangups (SIGHUP): one that comes before anybody can hear it ends nothing, and is heard later.

To a process that has not said otherwise, a hangup is the end. But a supervisor may have a server read its keys anew as
soon as it is started, when most of what that takes is not even loaded.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

_came = threading.Event()


def defer() -> None:
    """From now on a hangup ends this process no more; `on_sighup` learns of it. Signals come to the main thread alone."""
    _came.clear()
    signal.signal(signal.SIGHUP, lambda _number, _frame: _came.set())


def on_sighup(heard: Callable[[], object]) -> Callable[[], object]:
    """Call `heard`, within the signal's handler, at each hangup, and now for those that came since `defer`.

    What is returned ends it: then all is as it was before. In another thread than the main one nothing is heard.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: heard())
    if _came.is_set():
        _came.clear()
        heard()
    return lambda: signal.signal(signal.SIGHUP, before)
