"""A disk that fails when a test says so: beneath SQLite a VFS of our own, and beneath content files the system's calls.

Everything that changes a file is counted in one row: writes, cuts and flushes. The one with a given number fails, or it
and all behind it. SQLite's part is its default VFS with three of its methods exchanged (https://sqlite.org/vfs.html),
so that what is tested is SQLite's own way back from each failure.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_Pointer, _Int, _Int64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_Open = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Pointer, _Int, _Pointer)
_Write = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Int, _Int64)
_Truncate = ctypes.CFUNCTYPE(_Int, _Pointer, _Int64)
_Sync = ctypes.CFUNCTYPE(_Int, _Pointer, _Int)

_NAME = b"failing"
_IOERR_WRITE, _IOERR_FSYNC, _IOERR_TRUNCATE = 778, 1034, 1546


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("iVersion", _Int),
        ("szOsFile", _Int),
        ("mxPathname", _Int),
        ("pNext", _Pointer),
        ("zName", ctypes.c_char_p),
        ("pAppData", _Pointer),
        ("xOpen", _Open),
        ("others", _Pointer * 14),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("iVersion", _Int),
        ("xClose", _Pointer),
        ("xRead", _Pointer),
        ("xWrite", _Write),
        ("xTruncate", _Truncate),
        ("xSync", _Sync),
        ("others", _Pointer * 13),
    )


class FailingDisk:
    """`fail` and `heal` say what is to come; `count` is how much was written since."""

    def __init__(self) -> None:
        self.count = 0
        self.opened = 0
        """Files that SQLite opened: none, when its library is not the one that Python uses."""
        self.has_failed = False
        """Whether any write has failed since `fail` was called."""
        self._number = 0
        self._lasting = False
        self._is_full = False
        self._lock = threading.Lock()
        self._kept: dict[int, _Methods] = {}

    def fail(self, number: int, *, full: bool, lasting: bool) -> None:
        """From now on the write with this number (from 1) fails, and all behind it if that is `lasting`.

        `full` says that there is no room (ENOSPC); else the device is broken (EIO).
        """
        self.count, self._number, self._lasting, self._is_full = 0, number, lasting, full
        self.has_failed = False

    def heal(self) -> None:
        """All is well, and counting begins anew."""
        self.count = self._number = 0

    def fails(self) -> bool:
        """Whether the write that is now to be done shall not be."""
        with self._lock:
            self.count += 1
            if not self._number or not (self.count == self._number or (self._lasting and self.count > self._number)):
                return False
            self.has_failed = True
            return True

    def check(self) -> None:
        """Raise the OSError of a write that fails."""
        if self.fails():
            code = errno.ENOSPC if self._is_full else errno.EIO
            raise OSError(code, os.strerror(code))

    # --- SQLite

    @contextmanager
    def beneath_sqlite(self) -> Iterator[None]:
        """Whatever database is opened now is on this disk."""
        library = ctypes.CDLL("libsqlite3.so.0")
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        usual = library.sqlite3_vfs_find(None)
        ours = _Vfs.from_buffer_copy(usual.contents)
        opens = usual.contents.xOpen

        def open_file(_vfs: int, name: int, file: int, flags: int, out: int) -> int:
            result: int = opens(ctypes.addressof(usual.contents), name, file, flags, out)
            if result == 0:
                self._exchange(file)
            return result

        ours.xOpen, ours.zName = _Open(open_file), _NAME
        library.sqlite3_vfs_register(ctypes.byref(ours), 1)
        try:
            yield
        finally:
            library.sqlite3_vfs_unregister(ctypes.byref(ours))
            library.sqlite3_vfs_register(usual, 1)

    def _exchange(self, file: int) -> None:
        """The file's methods for ours; a file begins with a pointer to them."""
        self.opened += 1
        place = ctypes.cast(file, ctypes.POINTER(_Pointer))
        methods = place[0]
        if methods is None:
            return
        if methods not in self._kept:
            self._kept[methods] = self._ours(ctypes.cast(methods, ctypes.POINTER(_Methods)).contents)
        place[0] = ctypes.addressof(self._kept[methods])

    def _ours(self, usual: _Methods) -> _Methods:
        ours = _Methods.from_buffer_copy(usual)
        ours.xWrite = _Write(self._or_fail(usual.xWrite, _IOERR_WRITE))
        ours.xTruncate = _Truncate(self._or_fail(usual.xTruncate, _IOERR_TRUNCATE))
        ours.xSync = _Sync(self._or_fail(usual.xSync, _IOERR_FSYNC))
        return ours

    def _or_fail(self, usual: Callable[..., int], broken: int) -> Callable[..., int]:
        def do(*arguments: int) -> int:
            if self.fails():
                return sqlite3.SQLITE_FULL if self._is_full else broken
            return usual(*arguments)

        return do

    # --- content files

    def beneath_files(self, patch: pytest.MonkeyPatch) -> None:
        """Files that are written anew, and what is flushed, are on this disk."""
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, self._checked(getattr(os, name)))
        opens, writes = os.open, os.writev

        def open_file(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_EXCL:
                self.check()
            return opens(path, flags, *arguments, **options)

        def write(descriptor: int, pieces: Any) -> int:
            self.check()
            return writes(descriptor, pieces)

        patch.setattr(os, "open", open_file)
        patch.setattr(os, "writev", write)

    def _checked(self, usual: Callable[[int], None]) -> Callable[[int], None]:
        def do(descriptor: int) -> None:
            self.check()
            usual(descriptor)

        return do
