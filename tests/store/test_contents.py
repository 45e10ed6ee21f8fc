"""Memory use of incoming contents."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from mailstack.letter.letter import read_all
from mailstack.store.content_files import ContentFiles
from mailstack.store.contents import Writing
from tests.aid import run


def test_a_content_that_comes_in_pieces_of_two_octets_takes_little_more_than_its_size(tmp_path: Path) -> None:
    size = 60_000
    writing = Writing(ContentFiles(tmp_path, lambda work: work()), 65_536)
    tracemalloc.start()
    try:
        for number in range(size // 2):
            run(writing.write(bytes((65 + number % 26, 10))))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * size
    assert len(run(read_all(run(writing.finish())))) == size
