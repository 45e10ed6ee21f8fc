"""Files in YAML: read as what they shall be, or refused with a reason."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from mailstack.cli.compat.yaml_file import read_yaml
from mailstack.cli.errors import CommandError


class Some(Struct, frozen=True):
    name: str
    count: int = 0


@given(st.binary(max_size=60) | st.text("name: count-[]{}&*!|>'\"%@`#,?\n1x", max_size=40).map(str.encode))
def test_any_file_is_read_or_refused(octets: bytes) -> None:
    file = Path(tempfile.gettempdir()) / f"mailstack-any-{os.getpid()}.yaml"
    file.write_bytes(octets)
    with contextlib.suppress(CommandError):
        assert isinstance(read_yaml("--x", str(file), Some), Some)
    file.unlink()


@pytest.mark.parametrize("text", ["name: [", "count: 1", "name: 7", "- a", "name: x\ncount: y", "&a [*a, *a]"])
def test_what_it_is_not_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(CommandError, match=r"^--x: .*some.yaml: "):
        read_yaml("--x", str(tmp_path / "some.yaml"), Some)


def test_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("# a comment\nname: x\ncount: 3\nother: ignored\n")
    assert read_yaml("--x", str(tmp_path / "some.yaml"), Some) == Some("x", 3)
