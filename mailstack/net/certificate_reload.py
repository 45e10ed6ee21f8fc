"""Has new certificates shown without a restart: when their files were replaced, or somebody asks for it."""

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
from mailstack.net.server_tls import ServerContext, Shown

_log = Logger()

Stamps = dict[Path, tuple[int, int, int] | None]
"""What tells one version of a file from another: its inode, size and time of change. None: it can't be looked at."""

News = tuple[Shown, list[CertificateWarning]]


def stamps_of(files: Sequence[Path]) -> Stamps:
    """How these files stand now."""
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class Renewal:
    """Looks after the certificates of a running server. Files are read in a thread: checking an RSA key takes long."""

    def __init__(
        self,
        reactor: Any,
        context: ServerContext,
        *,
        concerns: Callable[[], list[CertificateWarning]],
        issue: Callable[[], object] = lambda: None,
        watch: float = 60.0,
    ) -> None:
        """`concerns` inspects the files, and `issue` makes new ones when it is time to; both may raise TlsError.

        The files are looked at every `watch` seconds; 0 leaves that out.
        """
        self._reactor = reactor
        self._context = context
        self._concerns = concerns
        self._issue = issue
        self._watch = watch
        self._seen = self._read = stamps_of(context.files)
        self._busy = False
        self._again = False
        self._looking = LoopingCall(self._look)
        self._daily = LoopingCall(self.reload)
        self._looking.clock = self._daily.clock = reactor

    def start(self) -> None:
        """Watch the files, and inspect them every day."""
        if self._watch:
            self._looking.start(self._watch, now=False)
        # At once as well: files that could be read as root, and can't be any more, are told now and not when they are new.
        self._daily.start(DAY)

    def stop(self) -> None:
        """End all that; harmless when it never started."""
        for call in (self._looking, self._daily):
            if call.running:
                call.stop()
        self._again = False

    def reload(self) -> None:
        """Read the files for connections made from then on. What is wrong with them is logged, and changes nothing."""
        if self._busy:
            self._again = True
            return
        self._read = stamps_of(self._context.files)
        self._busy = True
        news = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._news)
        news.addCallbacks(self._take, self._keep).addBoth(self._rest)

    def _look(self) -> None:
        """Whether files were replaced, and are no longer being written: certificate and key come one after the other."""
        before, self._seen = self._seen, stamps_of(self._context.files)
        if self._seen != self._read and self._seen == before:
            self.reload()

    def _news(self) -> News:
        self._issue()
        return self._context.read(), self._concerns()

    def _take(self, news: News) -> None:
        shown, concerns = news
        self._context.show(shown)
        _log.info("the certificates were read: {files}", files=", ".join(str(path) for path in self._context.files))
        tell(concerns)

    def _keep(self, failure: Failure) -> None:
        if failure.check(TlsError):
            _log.error("{why}; clients are shown what was read before", why=failure.getErrorMessage())
        else:
            _log.failure("the certificates could not be read; clients are shown what was read before", failure)

    def _rest(self, _: object) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.reload()


def tell(concerns: Sequence[CertificateWarning]) -> None:
    """Put them into the log."""
    for concern in concerns:
        (_log.error if concern.grave else _log.warn)("{text}", text=concern.text)
