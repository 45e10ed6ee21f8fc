"""Connection pools of a new store in memory, for tests of one part of it."""

from __future__ import annotations

from mailstack.store.batch import ReaderPool, WriterPool
from mailstack.store.sqlite.in_memory import InMemoryStore


def pools() -> tuple[ReaderPool, WriterPool]:
    store = InMemoryStore()
    return store._readers, store._writer
