"""Certificate reloader: notices renewed certificate files, loads them, and logs warnings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailstack.net.certificate_checks import DAY, CertificateWarning
from mailstack.net.certificates import TlsError
from mailstack.net.server_tls import LoadedContexts, ServerContext

_log = Logger()

FileChange = tuple[LoadedContexts, list[CertificateWarning]]

Stamps = dict[Path, tuple[int, int, int] | None]
"""Versions of files: inode, size and modification time in nanoseconds. None: the file can't be read."""


def stamps_of(files: Sequence[Path]) -> Stamps:
    """Present versions of these files."""
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class CertificateReloader:
    """Reloads and checks the certificates of a running server, in a thread because the check of an RSA key is slow."""

    def __init__(
        self,
        reactor: Any,
        context: ServerContext,
        *,
        check: Callable[[], list[CertificateWarning]],
        issue: Callable[[], object] = lambda: None,
        watch: float = 60.0,
    ) -> None:
        """`check` checks the files, and `issue` makes new ones when they are due; both may raise TlsError.

        `watch` is the interval in seconds between checks for replaced files; 0: no such checks.
        """
        self._reactor = reactor
        self._context = context
        self._check = check
        self._issue = issue
        self._watch = watch
        self._seen = self._read = stamps_of(context.files)
        self._busy = False
        self._again = False
        self._poll_call = LoopingCall(self._poll)
        self._daily_call = LoopingCall(self.reload)
        self._poll_call.clock = self._daily_call.clock = reactor

    def start(self) -> None:
        """Watch the files, and check the certificates every day."""
        if self._watch:
            self._poll_call.start(self._watch, now=False)
        # The first check is now: files that only root could read are reported at the start, not at the next renewal.
        self._daily_call.start(DAY)

    def stop(self) -> None:
        """Stop; does nothing if it never started."""
        for call in (self._poll_call, self._daily_call):
            if call.running:
                call.stop()
        self._again = False

    def reload(self) -> None:
        """Read the files for later connections. Errors are logged, and the old certificates stay in use."""
        if self._busy:
            self._again = True
            return
        self._read = stamps_of(self._context.files)
        self._busy = True
        loading = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._changes)
        loading.addCallbacks(self._apply, self._log_failed_reload).addBoth(self._finish)

    def _poll(self) -> None:
        """Reload files that have changed since the last read, but not since the last scan: both files may be in writing."""
        before, self._seen = self._seen, stamps_of(self._context.files)
        if self._seen != self._read and self._seen == before:
            self.reload()

    def _changes(self) -> FileChange:
        self._issue()
        return self._context.read(), self._check()

    def _apply(self, change: FileChange) -> None:
        contexts, warnings = change
        self._context.install(contexts)
        _log.info("loaded certificates: {files}", files=", ".join(str(path) for path in self._context.files))
        log_warnings(warnings)

    def _log_failed_reload(self, failure: Failure) -> None:
        if failure.check(TlsError):
            _log.error("{why}; the certificates loaded before stay in use", why=failure.getErrorMessage())
        else:
            _log.failure("cannot load the certificates; those loaded before stay in use", failure)

    def _finish(self, _: object) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.reload()


def log_warnings(warnings: Sequence[CertificateWarning]) -> None:
    for warning in warnings:
        (_log.error if warning.grave else _log.warn)("{text}", text=warning.text)
