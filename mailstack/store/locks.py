"""File locks between processes, released by the kernel at process exit."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from mailstack.store import StoreError


class TurnTimeout(StoreError):
    """Another process holds the write lock for too long."""


class Turn:
    """Write lock between processes. Waiting processes sleep in the kernel, so busy ones alternate without polling."""

    def __init__(self, path: Path, timeout: float) -> None:
        """`timeout`: seconds to wait for others."""
        self._path = path
        self._timeout = timeout

    @contextmanager
    def acquired(self) -> Iterator[None]:
        """Runs in a thread. Raises TurnTimeout, OSError."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            descriptor = self._wait()
        try:
            yield
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        # Each request has its own descriptor: an earlier request that timed out may still be waiting on another.
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _wait(self) -> int:
        """A descriptor that has the lock. The wait is another thread's, for only a thread can be waited for with an end."""
        waiting = _Waiting(self._open())
        threading.Thread(target=waiting.run, name="mailstack-turn", daemon=True).start()
        if not waiting.result(self._timeout):
            raise TurnTimeout(
                f"another process holds the write lock of the database for over {self._timeout:g} s; is it stopped?"
            )
        return waiting.descriptor


class _Waiting:
    """One wait for the lock. States: waiting, then taken or given up, whichever came first."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._taken = threading.Event()
        self._state = threading.Lock()
        self._given_up = False

    def run(self) -> None:
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        with self._state:
            self._taken.set()
            if self._given_up:
                os.close(self.descriptor)

    def result(self, timeout: float) -> bool:
        """Whether the lock was acquired in time."""
        self._taken.wait(timeout)
        with self._state:
            self._given_up = not self._taken.is_set()
            return not self._given_up


def lock_server_file(path: Path, timeout: float = 5.0) -> int:
    """The descriptor by which this process, and those that it forks, are the ones that serve from a directory.

    Raises StoreError when another process does; when that is dead, and its workers are only about to end, after
    `timeout` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            if _is_dead(pid) and time.monotonic() < end:
                time.sleep(0.01)
                continue
            os.close(descriptor)
            raise StoreError(
                f"another mailstack (pid {pid or 'unknown'}) serves this data directory: {path.parent}"
            ) from None
        with suppress(OSError):
            # On a full disk what was there before may be written over; the number is only information.
            os.ftruncate(descriptor, os.pwrite(descriptor, b"%d\n" % os.getpid(), 0))
        return descriptor


def _is_dead(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, PermissionError):
        return False
    return False


class NameLocks:
    """Named locks, each one locked octet of a file, so that a dead process leaves none behind.

    A lock belongs to the whole process, which coordinates its own users.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> int:
        """Open the file, and make it where there is none; its descriptor. Raises OSError."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def acquire(self, name: str) -> bool:
        """Locks a name; False if another process holds it. Raises OSError."""
        descriptor = self.open()
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _octet_of(name))
        except (BlockingIOError, PermissionError):  # POSIX leaves the choice between the two to the system
            return False
        return True

    def release(self, name: str) -> None:
        """Releases a lock; harmless when it is not held."""
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _octet_of(name))

    def close(self) -> None:
        """Releases all locks."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _octet_of(name: str) -> int:
    """63 bits of a digest, so that no two names of a server meet."""
    return int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()) >> 1
