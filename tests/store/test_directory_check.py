"""A data directory that is moved, replaced or unmounted while it is open takes no letter, and nothing is made in its place."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import maybeDeferred

from mailstack.letter.letter import Octets, read_all
from mailstack.store import Acceptance, Filter, StoreError
from mailstack.store.content_files import ContentFiles
from mailstack.store.data_directory import Location
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump, run
from tests.contracts.store import BOB, acceptance, placing

LARGE = 300_000


def letter(size: int = 200) -> Acceptance:
    made = acceptance(BOB)
    return replace(made, letter=replace(made.letter, content=Octets(b"x" * size)))


class Place:
    """A store in a directory, and the letters that it has accepted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.away = directory.with_name("away")
        self.pump = Pump()
        self.store = self.open()
        self.accepted: list[Acceptance] = []
        for size in (200, LARGE):
            self.accept(size)

    def open(self, location: Location | None = None) -> SqliteStore:
        settings = StoreSettings(readers=1, recent_octets=0, archiving=True)
        store = SqliteStore(self.pump, self.directory, settings, location=location)
        self.pump.run(store.open())
        return store

    def accept(self, size: int) -> None:
        made = letter(size)
        self.pump.run(self.store.queue.accept(made))
        self.accepted.append(made)

    def refuses(self) -> None:
        with pytest.raises(StoreError, match="the data directory was"):
            self.accept(200)
        with pytest.raises(StoreError):
            self.accept(LARGE)
        with pytest.raises(StoreError, match="the data directory was"):
            self.pump.run(self.store.queue.settle(placing(self.accepted[0].deliveries[0])))

    def is_whole(self) -> None:
        """Every letter that was accepted is there with its content, and no other letter is."""
        records = self.pump.run(self.store.history.records(Filter(limit=100)))
        assert {record.letter.id for record in records} == {each.letter.id for each in self.accepted}
        for record in records:
            octets = self.pump.run(read_all(record.letter.content))
            assert octets == b"x" * len(octets)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "data")
    yield place
    place.pump.run(place.store.close())


def leave_nothing(_: Place) -> None:
    pass


def make_empty(place: Place) -> None:
    place.directory.mkdir()


def make_copy(place: Place) -> None:
    shutil.copytree(place.away, place.directory)


def make_link_to_another(place: Place) -> None:
    other = place.directory.with_name("other")
    other.mkdir()
    place.directory.symlink_to(other)


def snapshot(directory: Path) -> set[str] | None:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")} if directory.exists() else None


@pytest.mark.parametrize("instead", [leave_nothing, make_empty, make_copy, make_link_to_another])
def test_nothing_is_accepted_until_the_directory_is_back(place: Place, instead: Callable[[Place], None]) -> None:
    place.is_whole()
    place.directory.rename(place.away)
    instead(place)
    before = snapshot(place.directory)
    place.refuses()
    assert snapshot(place.directory) == before
    # What is open is read on.
    assert len(place.pump.run(place.store.history.records(Filter(limit=100)))) == 2
    if before is not None:
        place.directory.rename(place.directory.with_name("wrong"))
    place.away.rename(place.directory)
    place.accept(200)
    place.accept(LARGE)
    place.is_whole()
    place.pump.run(place.store.close())
    place.store = place.open()
    place.is_whole()


def test_contents_alone_that_are_moved_away_are_missed(place: Place) -> None:
    (place.directory / "contents").rename(place.away)
    place.refuses()
    assert not (place.directory / "contents").exists()
    place.away.rename(place.directory / "contents")
    place.accept(LARGE)
    place.is_whole()


def test_a_directory_that_is_deleted_is_not_made_again(place: Place) -> None:
    shutil.rmtree(place.directory)
    place.refuses()
    assert not place.directory.exists()


def test_a_reader_that_begins_late_opens_no_other_database(tmp_path: Path) -> None:
    """Threads that read connect with the first question."""
    pump = Pump()
    store = SqliteStore(pump, tmp_path / "data")
    pump.run(store.open())
    (tmp_path / "data").rename(tmp_path / "away")
    (tmp_path / "data").mkdir()
    with pytest.raises(StoreError):
        pump.run(store.queue.pending_count())
    assert snapshot(tmp_path / "data") == set()
    (tmp_path / "data").rmdir()
    (tmp_path / "away").rename(tmp_path / "data")
    assert pump.run(store.queue.pending_count()) == 0
    pump.run(store.close())


def test_a_worker_that_begins_late_makes_nothing(place: Place) -> None:
    """It is given the location by its master, which has opened the directory."""
    other = place.open(place.store.location)
    place.pump.run(other.close())
    place.directory.rename(place.away)
    place.directory.mkdir()
    with pytest.raises(StoreError):
        place.open(place.store.location)
    assert snapshot(place.directory) == set()
    place.directory.rmdir()
    place.away.rename(place.directory)


def test_the_lock_of_the_server_remembers_the_directory(tmp_path: Path) -> None:
    """From then on nothing is made, though the store is opened later."""
    pump = Pump()
    store = SqliteStore(pump, tmp_path / "data")
    store.lock_server()
    (tmp_path / "data").rename(tmp_path / "away")
    with pytest.raises(StoreError):
        pump.run(store.open())
    assert not (tmp_path / "data").exists()
    pump.run(store.close())


def test_the_log_has_one_line_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    now = 1000.0
    file = tmp_path / "file"
    file.touch()
    location = Location(file, now=lambda: now)
    location.remember()
    location.check()
    file.rename(tmp_path / "away")
    for seconds in (0, 1, 30, 61):
        now = 1000.0 + seconds
        with pytest.raises(StoreError):
            location.check()
    (tmp_path / "away").rename(file)
    location.check()
    location.check()
    lost, again, back = [record.message for record in caplog.records]
    assert lost == again
    assert f"{file}: No such file or directory: the data directory was moved, deleted or unmounted" in lost
    assert "restarted" in lost
    assert "letters are accepted again" in back


# --- folders of contents


@pytest.fixture
def files(tmp_path: Path) -> Iterator[ContentFiles]:
    made = opened(tmp_path)
    yield made
    made.release()


def opened(directory: Path) -> ContentFiles:
    files = ContentFiles(directory, maybeDeferred)
    files.open()
    return files


def write(files: ContentFiles) -> str:
    name, file = files.create()
    with file:
        file.write(b"octets")
        files.make_durable(name, file)
    return name


@pytest.mark.parametrize("processes", [1, 2])
def test_a_folder_just_made_by_another_process_is_flushed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """The first is held in its flush of the name; the second must not rely on that flush."""
    first = opened(tmp_path)
    second = first if processes == 1 else opened(tmp_path)
    top = tmp_path.stat().st_ino
    flushes = 0
    written: list[str] = []
    usual = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal flushes
        if os.fstat(descriptor).st_ino == top:
            if not written:
                written.append("")
                write(second)
                written[0] = "flushed" if flushes else "not flushed"
            flushes += 1
        usual(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr("secrets.token_hex", lambda octets: "ab" + os.urandom(octets - 1).hex())
    write(first)
    assert written == ["flushed"], "the second file is durable by itself"
    assert flushes == 2
    write(first)
    assert flushes == 2, "a name that this process has flushed is not flushed again"
    for each in {first, second}:
        each.release()


def test_an_empty_folder_that_was_removed_is_made_again(
    files: ContentFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda octets: "ab" + os.urandom(octets - 1).hex())
    files.delete([write(files)])
    (tmp_path / "ab").rmdir()
    name = write(files)
    assert (tmp_path / "ab" / name).read_bytes() == b"octets"


def test_a_directory_that_is_closed_takes_nothing(files: ContentFiles) -> None:
    files.release()
    with pytest.raises(StoreError, match="is not open"):
        files.create()


def test_what_was_written_is_read_where_the_directory_went(files: ContentFiles, tmp_path: Path) -> None:
    name = write(files)
    tmp_path.rename(tmp_path.with_name("away"))
    assert run(collected(files, name)) == b"octets"
    tmp_path.with_name("away").rename(tmp_path)


async def collected(files: ContentFiles, name: str) -> bytes:
    return b"".join([chunk async for chunk in files.chunks(name, 6)])


def test_the_database_is_where_the_location_says(place: Place) -> None:
    """The guard of the tests above: a location that names other files would never refuse."""
    assert {path.name for path in place.store.location._paths} == {DATABASE, "contents"}
