"""Large contents in a real object store: whole, or not at all, whatever happens on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.store import Damaged, StoreError, StoreFull
from mailstack.store.content_files import ContentFiles
from mailstack.store.contents import LargeContent, Several, Writing
from mailstack.store.objects.bucket import PART, Bucket, Place
from mailstack.store.objects.contents import ContentObjects, digits_of
from mailstack.store.writer import Workers
from tests.aid import Pump
from tests.objects.between import Between, Trouble, between
from tests.objects.server import Server, keys_in

LARGE = b"".join(b"%06d\r\n" % number for number in range(40_000))

Make = Callable[..., ContentObjects]


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def make(pump: Pump, bucket: Bucket, tmp_path: Path) -> Iterator[Make]:
    """Contents in the bucket of the test; `endpoint` is another way there."""
    made: list[ContentObjects] = []

    def contents(**given: Any) -> ContentObjects:
        place = replace(bucket.place, **{name: given.pop(name) for name in list(given) if name in PLACE})
        made.append(ContentObjects(pump, place, tmp_path, **{"threads": 2, **given}))
        return made[-1]

    yield contents
    for each in made:
        pump.run(each.close())


PLACE = set(Place.__struct_fields__)


@pytest.fixture
def proxied(object_store: Server) -> Iterator[tuple[Between, str]]:
    with between(object_store.endpoint) as both:
        yield both


async def written(contents: Any, octets: bytes) -> LargeContent:
    writer = Writing(contents, 1000)
    for start in range(0, len(octets), 50_000):
        await writer.write(octets[start : start + 50_000])
    found = await writer.finish()
    assert isinstance(found, LargeContent)
    assert found.size == len(octets)
    return found


async def read(content: LargeContent) -> bytes:
    return b"".join([chunk async for chunk in content.chunks()])


async def nothing(_: Sequence[str]) -> set[str]:
    return set()


def test_a_content_comes_back_as_it_went(pump: Pump, make: Make, bucket: Bucket, tmp_path: Path) -> None:
    contents = make(prefix="mail/")
    for octets in (b"x" * 1001, LARGE):
        content = pump.run(written(contents, octets))
        assert contents.owns(content.name)
        assert pump.run(read(content)) == octets
        assert f"mail/{content.name[3:5]}/{digits_of(content.name)}" in keys_in(bucket)
    assert not list(tmp_path.iterdir()), "nothing is left of the spool"


def test_a_very_large_one_goes_in_parts(pump: Pump, make: Make, bucket: Bucket) -> None:
    octets = LARGE * (PART // len(LARGE) + 5)
    content = pump.run(written(make(multipart=PART), octets))
    assert pump.run(read(content)) == octets
    (found,) = bucket.client.list_objects_v2(Bucket=bucket.place.bucket)["Contents"]
    assert found["Size"] == len(octets)


def test_what_nobody_needs_goes(pump: Pump, make: Make, bucket: Bucket) -> None:
    contents = make()
    writer = Writing(contents, 10)

    async def given_up() -> None:
        await writer.write(b"x" * 1000)
        await writer.finish()
        writer.discard()
        kept = await written(contents, LARGE)
        contents.delete([kept.name, "s3/" + "0" * 32 + "." + "0" * 64])

    pump.run(given_up())
    pump.run(contents.close())
    assert keys_in(bucket) == []


def test_orphans_are_swept_once_they_are_old(pump: Pump, make: Make, bucket: Bucket) -> None:
    """By the server's clock, and nobody's else; nothing that a row names, nor what is no content of ours."""
    kept, orphan = pump.run(written(make(), LARGE)), pump.run(written(make(), LARGE))
    bucket.client.put_object(Bucket=bucket.place.bucket, Key="somebody/else", Body=b"x")
    bucket.client.create_multipart_upload(Bucket=bucket.place.bucket, Key="ab/parts")

    async def named(names: Sequence[str]) -> set[str]:
        return {kept.name} & set(names)

    assert pump.run(make().sweep(0.0, named)) == 0, "they are younger than a day"

    def parts_left() -> bool:
        return "Uploads" in bucket.client.list_multipart_uploads(Bucket=bucket.place.bucket)

    swept = 0
    for _ in range(100):  # until by the server's clock, which tells whole seconds, a second has passed for all
        swept += pump.run(make(orphan_age=1.0).sweep(0.0, named))
        if swept and not parts_left():
            break
        time.sleep(0.1)
    assert swept == 1
    assert not parts_left()
    left = keys_in(bucket)
    assert bucket.key(digits_of(kept.name)) in left
    assert bucket.key(digits_of(orphan.name)) not in left
    assert "somebody/else" in left


def test_a_bucket_is_not_looked_through_again_and_again(pump: Pump, make: Make, proxied: tuple[Between, str]) -> None:
    state, endpoint = proxied
    contents = make(endpoint=endpoint)
    for _ in range(3):
        pump.run(contents.sweep(0.0, nothing))
    assert len(state.asked) == 2, "objects, and parts"


@pytest.mark.parametrize("octets", [LARGE[:-1] + b"x", LARGE[:-1], LARGE + b"x", b""])
def test_what_is_not_what_was_accepted_is_damaged(pump: Pump, make: Make, bucket: Bucket, octets: bytes) -> None:
    """And is never given to the end, so that nobody takes it for whole."""
    content = pump.run(written(make(), LARGE))
    bucket.client.put_object(Bucket=bucket.place.bucket, Key=bucket.key(digits_of(content.name)), Body=octets)
    given: list[bytes] = []

    async def reading() -> None:
        async for chunk in content.chunks():
            given.append(chunk)  # noqa: PERF401  # what was given before it failed

    with pytest.raises(Damaged):
        pump.run(reading())
    assert sum(map(len, given)) < len(LARGE)


def test_what_is_gone_is_damaged(pump: Pump, make: Make, bucket: Bucket) -> None:
    content = pump.run(written(make(), LARGE))
    bucket.delete(digits_of(content.name))
    with pytest.raises(Damaged, match="is not there"):
        pump.run(read(content))


def test_with_only_read_new_ones_go_where_they_went_before(pump: Pump, make: Make, tmp_path: Path) -> None:
    content = pump.run(written(make(), LARGE))
    (tmp_path / "contents").mkdir()
    threads = Workers(pump, "test", 1, start=lambda: None, stop=lambda _: None)
    files = ContentFiles(tmp_path / "contents", lambda do: threads.do(lambda _: do()))
    files.open()
    both = Several(make(writable=False), files)
    assert pump.run(read(LargeContent(both, content.name, content.size))) == LARGE
    again = pump.run(written(both, LARGE))
    assert not again.name.startswith("s3/")
    assert pump.run(read(again)) == LARGE
    pump.run(both.close())
    threads.close()
    files.release()


def test_a_name_of_somebody_elses_is_refused(pump: Pump, make: Make) -> None:
    for name in ("s3/../../etc/passwd", "s3/" + "0" * 32, "0" * 32, "s3/" + "0" * 32 + "." + "0" * 64 + "\n"):
        assert not make().owns(name)
        with pytest.raises(StoreError, match="is no object of this store"):
            pump.run(read(LargeContent(make(), name, 3)))
        with pytest.raises(StoreError, match="nowhere"):
            Several(make()).chunks(name, 3)


# --- when things go wrong


def test_what_was_cut_goes_on_where_it_was(pump: Pump, make: Make, proxied: tuple[Between, str]) -> None:
    state, endpoint = proxied
    content = pump.run(written(make(endpoint=endpoint), LARGE))
    state.methods = frozenset({"GET"})
    state.coming.extend([Trouble("cut", 0), Trouble("cut", 270_000), Trouble("cut", 30_000)])
    assert pump.run(read(content)) == LARGE
    assert {bounds for _, bounds in state.asked} & {"bytes=262144-", "bytes=270000-"}


def test_one_that_is_cut_again_and_again_is_no_content(pump: Pump, make: Make, proxied: tuple[Between, str]) -> None:
    state, endpoint = proxied
    content = pump.run(written(make(endpoint=endpoint), LARGE))
    state.methods, state.then = frozenset({"GET"}), Trouble("cut", 0)
    with pytest.raises(StoreError):
        pump.run(read(content))


def test_an_octet_that_changed_on_its_way_is_noticed(pump: Pump, make: Make, proxied: tuple[Between, str]) -> None:
    state, endpoint = proxied
    content = pump.run(written(make(endpoint=endpoint), LARGE))
    state.methods, state.then = frozenset({"GET"}), Trouble("other")
    with pytest.raises(Damaged, match="not what was accepted"):
        pump.run(read(content))


def test_a_store_that_is_busy_is_asked_again(pump: Pump, make: Make, proxied: tuple[Between, str]) -> None:
    state, endpoint = proxied
    state.coming.extend([Trouble("status", 503), Trouble("status", 500)])
    content = pump.run(written(make(endpoint=endpoint), LARGE))
    state.coming.extend([Trouble("status", 503)])
    assert pump.run(read(content)) == LARGE


@pytest.mark.parametrize(
    ("trouble", "kind", "told"),
    [
        (Trouble("status", 500), StoreError, "InternalError"),
        (Trouble("status", 503), StoreError, "SlowDown"),
        (Trouble("status", 403), StoreError, "AccessDenied"),
        (Trouble("status", 507), StoreFull, "InsufficientStorage"),
        (Trouble("silent"), StoreError, "can't be used"),
    ],
)
def test_a_store_that_does_not_take_it_is_told_of(
    pump: Pump,
    make: Make,
    proxied: tuple[Between, str],
    bucket: Bucket,
    *,
    trouble: Trouble,
    kind: type[Exception],
    told: str,
) -> None:
    """Within a bound; and nothing is taken for kept. No secret is in what is told."""
    state, endpoint = proxied
    state.then = trouble
    contents = make(endpoint=endpoint, attempts=2, timeout=0.5)
    with pytest.raises(kind, match=told) as why:
        pump.run(written(contents, LARGE))
    assert bucket.place.secret_key not in str(why.value)
    assert keys_in(bucket) == []


def test_where_nobody_listens_is_told_of(pump: Pump, make: Make) -> None:
    with pytest.raises(StoreError, match="can't be used"):
        pump.run(written(make(endpoint="http://127.0.0.1:1", attempts=1), LARGE))
    with pytest.raises(StoreError, match="NoSuchBucket"):
        pump.run(written(make(bucket="nobody-made-this-one"), LARGE))
    with pytest.raises(StoreError, match="SignatureDoesNotMatch"):
        pump.run(written(make(secret_key="wrong", attempts=1), LARGE))


def test_nobody_waits_for_a_turn_for_ever(pump: Pump, make: Make, proxied: tuple[Between, str]) -> None:
    state, endpoint = proxied
    state.then = Trouble("silent")
    contents = make(endpoint=endpoint, attempts=1, timeout=0.5, threads=1, patience=0.2)
    waiting = [pump.start(written(contents, LARGE)) for _ in range(3)]
    while not all(waiting):
        pump._calls.get(timeout=20)()
    said = [failure.getErrorMessage() for (failure,) in waiting]
    assert sum("too slow" in each for each in said) == 2
    state.then = Trouble("none")
    assert pump.run(read(pump.run(written(contents, LARGE)))) == LARGE, "afterwards all is well"


def test_a_secret_is_shown_to_nobody(bucket: Bucket) -> None:
    assert bucket.place.secret_key not in repr(bucket.place)
