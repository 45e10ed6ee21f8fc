"""MTA-STS policies on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.net.mta_sts import PolicyFiles
from mailstack.relay.mta_sts import CachedPolicy, Mode, StsPolicy

KEPT = CachedPolicy("20261124", 1_780_000_000.5, StsPolicy(Mode.ENFORCE, 604800, ("mx.test", "*.mx.test")))


def test_what_is_put_there_is_there_after_a_restart(tmp_path: Path) -> None:
    """RLY-21."""
    PolicyFiles(tmp_path).put("elsewhere.test", KEPT)
    assert PolicyFiles(tmp_path).get("elsewhere.test") == KEPT
    assert PolicyFiles(tmp_path).get("other.test") is None


def test_a_directory_that_was_moved_away_is_not_made_again(tmp_path: Path) -> None:
    PolicyFiles(tmp_path / "gone").put("elsewhere.test", KEPT)
    assert PolicyFiles(tmp_path / "gone").get("elsewhere.test") is None
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("octets", [b"", b"[]", b"{}", b'{"mode": "x"}', b"\xff", b'"a"', b'{"id": 1, "mx": 5}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "elsewhere.test.json").write_bytes(octets)
    assert PolicyFiles(tmp_path).get("elsewhere.test") is None


def test_a_directory_that_cannot_be_written_loses_the_policy_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    PolicyFiles(tmp_path / "file").put("elsewhere.test", KEPT)


def test_the_oldest_files_go(tmp_path: Path) -> None:
    files = PolicyFiles(tmp_path, max_files=3)
    for number in range(10):
        files.put(f"d{number}.test", KEPT)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("domain", ["", "../x", "a/b", ".", ".."])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, domain: str) -> None:
    with pytest.raises(ValueError, match="not a domain name"):
        PolicyFiles(tmp_path).put(domain, KEPT)
