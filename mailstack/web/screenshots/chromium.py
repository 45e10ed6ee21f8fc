"""Chromium process: search, command line, temporary profile, pipes and end."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater

from mailstack.mailbox.index.indexer import InThread
from mailstack.net.thread_pool import PoolFull
from mailstack.web.screenshots.devtools import (
    BadDevToolsMessage,
    DevToolsMessage,
    DevToolsReader,
    decode_message,
    encode_command,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
"""Names of the program on PATH, in the order of search."""
INSTALL = "install Chromium (on Debian: apt install chromium), or set [screenshots] browser to its path, and start mailstack again"

MAX_MESSAGE = 96 * 1024 * 1024
"""Maximum octets of a message; a screenshot is one message."""
INLINE_OCTETS = 32_768
"""Maximum octets of a message that is decoded in the reactor thread."""
MAX_LOG = 4096
"""Maximum octets of standard error that are kept, the last ones."""
REAP_INTERVAL_S = 0.02
MAX_REAPS = 250

_READ, _WRITE = 4, 3
"""File descriptors of --remote-debugging-pipe, as seen by the browser: it reads commands from 3."""

_LIMITED = 'ulimit -d "$1" && shift && exec "$@"'
"""Shell script that limits the data segment (setrlimit(2), RLIMIT_DATA) of the browser and its children."""
_GROUP = "setsid"
"""Program of util-linux that starts a process group, so that all processes of the browser end together."""

_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    # No scripts are run, so no machine code is made.
    "--js-flags=--jitless",
    # No name and no address is ever resolved, and no service of the browser's makers is used.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-features=MediaRouter,OptimizationHints,Translate",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
)


def find_browser(name: str) -> str:
    """Path of the program `name`, or of the first of `NAMES` if it is empty; "" if there is none."""
    found = (shutil.which(each) for each in ((name,) if name else NAMES))
    return next((path for path in found if path), "")


class BrowserCommand(Struct, frozen=True):
    """Command line of a browser."""

    program: str
    memory: int
    """Maximum octets of data of each process."""
    has_sandbox: bool = True
    """Whether the sandbox of the browser is on."""

    def words(self, profile: str) -> list[str]:
        sandbox = () if self.has_sandbox else ("--no-sandbox",)
        limit = ("/bin/sh", "-c", _LIMITED, "sh", str(self.memory // 1024))
        group = [path] if (path := shutil.which(_GROUP)) else []
        return [*limit, *group, self.program, *_OPTIONS, *sandbox, f"--user-data-dir={profile}", "about:blank"]


def environment_of(profile: str) -> Mapping[str, str]:
    """Environment variables of a browser: all its files are in the temporary profile."""
    names = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    # The handler of crashes outlives the browser. Without a directory it writes no memory dump of the letter.
    fixed = {"LANG": "C.UTF-8", "BREAKPAD_DUMP_LOCATION": "/dev/null/none"}
    return {"PATH": os.environ.get("PATH", os.defpath), **fixed, **dict.fromkeys(names, profile)}


class BrowserFailed(Exception):
    """End of the browser, or error of a command; str() is the reason."""


class BrowserProcess(ProcessProtocol):
    """DevTools client of a running browser. States: running, ended (with a reason)."""

    transport: Any

    def __init__(self, in_thread: InThread) -> None:
        self.on_event: Callable[[DevToolsMessage], object] = lambda _: None
        self.log = b""
        """End of standard error."""
        self._in_thread = in_thread
        self._reader = DevToolsReader(MAX_MESSAGE)
        self._results: dict[int, Deferred[DevToolsMessage]] = {}
        self._number = 0
        self._pid = 0
        self._end_reason = ""
        self.ended: Deferred[None] = Deferred()
        """Fails with BrowserFailed at the end of the browser."""
        self.exited = False

    async def command(self, method: str, params: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Result of a command. Raises BrowserFailed."""
        if self._end_reason:
            raise BrowserFailed(self._end_reason)
        self._number += 1
        number = self._number
        message = await self._send(number, encode_command(number, method, params, session))
        if message.error is not None:
            raise BrowserFailed(f"{method}: {message.error.message[:200]}")
        return message.result

    def _send(self, number: int, octets: bytes) -> Deferred[DevToolsMessage]:
        result = self._results[number] = Deferred()
        self.transport.writeToChild(_WRITE, octets)
        return result

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803 - Twisted's names
        if childFD == _READ:
            try:
                for octets in self._reader.receive(data):
                    self._accept(octets)
            except BadDevToolsMessage as error:
                self.end(str(error))
        elif childFD == 2:
            self.log = (self.log + data)[-MAX_LOG:]

    def _accept(self, octets: bytes) -> None:
        if len(octets) <= INLINE_OCTETS:
            self._dispatch(decode_message(octets))
            return
        decoded = self._in_thread(lambda: decode_message(octets))
        decoded.addCallbacks(self._dispatch, lambda failure: self.end(str(failure.value)))

    def _dispatch(self, message: DevToolsMessage) -> None:
        if message.id:
            result = self._results.pop(message.id, None)
            if result is not None and not result.called:
                result.callback(message)
        elif message.method == "Inspector.targetCrashed":
            self.end("the page needs more memory than [screenshots] memory allows")
        else:
            self.on_event(message)

    def childConnectionLost(self, childFD: int) -> None:  # noqa: N802, N803 - Twisted's names
        if childFD == _READ:
            self.end("Chromium ended unexpectedly")

    def processExited(self, reason: Any) -> None:  # noqa: ARG002, N802 - Twisted's names
        self.exited = True

    def end(self, reason: str) -> None:
        """End all commands with BrowserFailed; the process ends soon after."""
        if self._end_reason:
            return
        self._end_reason = reason
        for result in list(self._results.values()):
            if not result.called:
                result.errback(BrowserFailed(reason))
        self._results.clear()
        self.kill()
        self.ended.errback(BrowserFailed(reason))
        self.ended.addErrback(lambda _: None)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self._pid = self.transport.pid

    def kill(self) -> None:
        """Kill the browser, and its process group if it has one."""
        if not self._pid:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")


@asynccontextmanager
async def running_browser(
    reactor: Any, command: BrowserCommand, in_thread: InThread
) -> AsyncGenerator[BrowserProcess, None]:
    """Browser with a profile of its own; at the end its processes and the profile are gone. Raises OSError."""
    profile = tempfile.mkdtemp(prefix="mailstack-browser-")
    process = BrowserProcess(in_thread)
    try:
        _spawn(reactor, process, command.words(profile), environment_of(profile), profile)
        yield process
    finally:
        process.end("the browser was ended")
        process.kill()
        await _reap(reactor, process)
        await _remove(reactor, profile, in_thread)


def _spawn(
    reactor: Any, process: BrowserProcess, words: Sequence[str], environment: Mapping[str, str], folder: str
) -> None:
    pipes = {0: "w", 1: "r", 2: "r", _WRITE: "w", _READ: "r"}
    reactor.spawnProcess(process, words[0], words, environment, folder, childFDs=pipes)
    process.transport.closeChildFD(0)


async def _reap(reactor: Any, process: BrowserProcess) -> None:
    """Wait for the end of the process, for some seconds. A reactor outside the main thread gets no SIGCHLD."""
    for _ in range(MAX_REAPS):
        if process.transport is None or process.exited:
            return
        process.transport.reapProcess()
        await deferLater(reactor, REAP_INTERVAL_S)


async def _remove(reactor: Any, profile: str, in_thread: InThread) -> None:
    """Remove the profile, for some seconds: child processes that are ending still write into it."""
    for _ in range(MAX_REAPS):
        try:
            is_gone = await in_thread(lambda: _remove_tree(profile))
        except PoolFull:
            is_gone = _remove_tree(profile)
        if is_gone:
            return
        await deferLater(reactor, REAP_INTERVAL_S)


def _remove_tree(profile: str) -> bool:
    """Whether the profile is gone."""
    shutil.rmtree(profile, ignore_errors=True)
    return not Path(profile).exists()
