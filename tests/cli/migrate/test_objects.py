"""Contents in an object store stay there, come along, or go into another one; and what is wrong with them is found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from mailstack.cli import main
from mailstack.cli.migrate.directory import DirectorySource
from mailstack.cli.migrate.verify import named_objects
from mailstack.letter.letter import read_all
from mailstack.store import Filter
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import acceptance

if TYPE_CHECKING:
    from mailstack.store.objects.bucket import Bucket
    from tests.objects.server import Server

LARGE = [b"x" * 300_000, b"yz" * 100_000]
SMALL = b"Subject: small\r\n\r\n"
CONFIG = """
hostname = "mx.home.test"
domains = ["home.test"]
[contents]
bucket = "{bucket}"
endpoint = "{endpoint}"
access_key = "{access_key}"
secret_key_file = "{secret}"
"""

Run = Callable[..., Any]


@pytest.fixture
def run() -> Run:
    def command(*arguments: object, fails: bool = False) -> str:
        result = CliRunner().invoke(main, [str(each) for each in arguments])
        assert (result.exit_code != 0) is fails, result.output
        return result.output

    return command


def configured(bucket: Bucket, directory: Path) -> Path:
    place = bucket.place
    secret, file = directory / f"{place.bucket}.secret", directory / f"{place.bucket}.toml"
    secret.write_text(place.secret_key)
    secret.chmod(0o600)
    file.write_text(
        CONFIG.format(bucket=place.bucket, endpoint=place.endpoint, access_key=place.access_key, secret=secret)
    )
    return file


@pytest.fixture
def config(bucket: Bucket, tmp_path: Path) -> Path:
    return configured(bucket, tmp_path)


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path) -> Path:
    """A server in a directory, with two contents in the object store, and one that is small."""
    from mailstack.store.objects.contents import ContentObjects

    pump = Pump()
    large = ContentObjects(pump, bucket.place, tmp_path)
    store = SqliteStore(pump, tmp_path / "here", large=large)
    pump.run(store.open())
    for octets in (*LARGE, SMALL):
        pump.run(store.queue.accept(acceptance(octets=octets)))
    pump.run(store.close())
    return tmp_path / "here"


def names_in(directory: Path) -> list[str]:
    with closing(DirectorySource(directory)) as side:
        return [each.name for each in named_objects(side)]


def contents_of(directory: Path) -> list[bytes]:
    """All of them, read without any object store."""
    pump = Pump()
    store = SqliteStore(pump, directory)
    pump.run(store.open())
    found = [pump.run(read_all(record.letter.content)) for record in pump.run(store.history.records(Filter()))]
    pump.run(store.close())
    return sorted(found)


def test_objects_stay_where_they_are_by_default(run: Run, here: Path, config: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert "2 contents stay in the object store" in run("store", "copy", here, there)
    assert names_in(there) == names_in(here)
    assert "2 contents are in an object store, and were not checked" in run("store", "verify", there)
    for more in ([], ["--read"]):
        said = run("store", "verify", there, "-c", config, *more)
        assert "all rows and contents are intact" in said
        assert "not read" not in said


def test_objects_are_copied_to_another_store(
    run: Run, here: Path, config: Path, object_store: Server, tmp_path: Path
) -> None:
    there, again = tmp_path / "there", tmp_path / "again"
    assert "stay" not in run("store", "copy", here, there, "--objects-from", config).replace("stays", "")
    assert names_in(there) == []
    assert contents_of(there) == sorted([*LARGE, SMALL])
    assert run("store", "verify", here, there, "-c", config).endswith("both stores are equal\n")
    with object_store.bucket() as other:
        into = configured(other, tmp_path)
        run("store", "copy", there, again, "--objects-to", into)
        assert len(names_in(again)) == 2
        assert "all rows" in run("store", "verify", again, "-c", into, "--read")
        refused = run("store", "copy", here, tmp_path / "third", "--objects-to", into, fails=True)
        assert "name its configuration with --objects-from" in refused
        run("store", "copy", here, tmp_path / "third", "--objects-from", config, "--objects-to", into)
        assert len(names_in(tmp_path / "third")) == 2
    assert len(names_in(here)) == 2, "nothing is removed where they came from"


def test_the_same_by_way_of_a_database(run: Run, here: Path, config: Path, postgresql_url: str, tmp_path: Path) -> None:
    assert "2 contents stay in the object store" in run("store", "copy", here, postgresql_url)
    assert "all rows and contents are intact" in run("store", "verify", postgresql_url, "-c", config, "--read")
    assert "both stores are equal" in run("store", "verify", here, postgresql_url, "-c", config)
    run("store", "copy", postgresql_url, tmp_path / "back", "--objects-from", config)
    assert contents_of(tmp_path / "back") == sorted([*LARGE, SMALL])


def test_what_is_wrong_with_them_is_found(run: Run, here: Path, config: Path, bucket: Bucket) -> None:
    first, second = (name.removeprefix("s3/") for name in names_in(here))
    where = bucket.place.bucket
    bucket.client.put_object(Bucket=where, Key=bucket.key(second), Body=b"z" * len(bucket_octets(bucket, second)))
    assert "all rows" in run("store", "verify", here, "-c", config), "its size is right"
    assert "is not what was accepted" in run("store", "verify", here, "-c", config, "--read", fails=True)
    bucket.client.put_object(Bucket=where, Key=bucket.key(second), Body=b"short")
    bucket.client.delete_object(Bucket=where, Key=bucket.key(first))
    said = run("store", "verify", here, "-c", config, fails=True)
    assert "has 5 octets" in said
    assert "is not there" in said
    assert "2 faults" in said


def bucket_octets(bucket: Bucket, name: str) -> bytes:
    octets: bytes = bucket.get(name, 0)[0].read()
    return octets


def test_an_object_store_is_named_by_a_configuration_that_has_one(run: Run, here: Path, tmp_path: Path) -> None:
    without = tmp_path / "without.toml"
    without.write_text('hostname = "mx.home.test"\ndomains = ["home.test"]\n')
    assert "has no [contents] bucket" in run("store", "verify", here, "-c", without, fails=True)
    assert "--read requires -c FILE" in run("store", "verify", here, "--read", fails=True)
