"""Object store settings of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.config import ConfigError, load
from mailstack.server.wiring.store import content_objects, place_of
from mailstack.store import StoreError
from tests.aid import Pump

BEGIN = 'hostname = "mx.home.test"\ndomains = ["home.test"]\n[contents]\n'


def loaded(tmp_path: Path, text: str):
    file = tmp_path / "mailstack.toml"
    file.write_text(BEGIN + text)
    return load(file, {})


def test_without_a_bucket_there_is_none(tmp_path: Path) -> None:
    assert content_objects(loaded(tmp_path, ""), Pump()) is None


def test_the_secret_is_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not to be told\nmore\n")
    store = 'bucket = "mail"\nendpoint = "https://s3.home.test"\nprefix = "a/b/"\n'
    config = loaded(tmp_path, f'{store}access_key = "k"\nsecret_key_file = "secret"\n')
    place = place_of(config)
    assert (place.bucket, place.endpoint, place.prefix) == ("mail", "https://s3.home.test", "a/b/")
    assert place.secret_key == "not to be told"
    assert "not to be told" not in repr(place)
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(StoreError, match="is empty"):
        place_of(config)
    (tmp_path / "secret").unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        place_of(config)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('endpoint = "https://s3.home.test"', "name the bucket"),
        ('bucket = "Mail"', "no name of a bucket"),
        ('bucket = "mail"\nprefix = "a"', "no prefix"),
        ('bucket = "mail"\nprefix = "../"', None),
        ('bucket = "mail"\naccess_key = "k"', "belong together"),
        ('bucket = "mail"\nabove = "2MiB"', "held in memory"),
        ('bucket = "mail"\norphan_age = "30m"', "could lose its content"),
        ('bucket = "mail"\nendpoint = "s3.home.test"', "no URL of a server"),
    ],
)
def test_what_can_not_be_is_told(tmp_path: Path, text: str, told: str | None) -> None:
    if told is None:
        assert loaded(tmp_path, text).contents.prefix == "../", "a key is no path"
        return
    with pytest.raises(ConfigError) as why:
        loaded(tmp_path, text)
    assert any(told in str(problem) for problem in why.value.problems)
