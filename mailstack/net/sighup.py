"""SIGHUP deferral and handler.

By default SIGHUP ends a process. A supervisor may send it right after the start, before the handler's modules are loaded.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

_deferred = threading.Event()


def defer() -> None:
    """Defers SIGHUP until `on_sighup` installs a handler. Must be called in the main thread."""
    _deferred.clear()
    signal.signal(signal.SIGHUP, lambda _number, _frame: _deferred.set())


def on_sighup(handler: Callable[[], object]) -> Callable[[], object]:
    """Calls `handler`, in the signal handler, at each SIGHUP, and now for one that was deferred.

    The returned function restores the old handler. Outside the main thread nothing is installed.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: handler())
    if _deferred.is_set():
        _deferred.clear()
        handler()
    return lambda: signal.signal(signal.SIGHUP, before)
