"""Wheel and source archive, as `make release` builds them for an index of packages."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

import mailstack
from tests.packaging import ROOT

TIMEOUT_S = 300


@pytest.fixture(scope="session")
def metadata(archives):
    with ZipFile(archives.wheel) as wheel:
        return message_from_bytes(wheel.read(f"mailstack-{mailstack.__version__}.dist-info/METADATA"))


def sources(folder):
    return {
        str(file.relative_to(ROOT))
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name != "dropin.cache"
    }


def test_an_index_accepts_both(archives):
    pytest.importorskip("twine", reason="pip install 'mailstack[release]'")
    command = [sys.executable, "-m", "twine", "check", "--strict", *archives]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_wheel_has_the_package_the_plugin_and_the_reference_of_settings(archives):
    with ZipFile(archives.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == sources("mailstack") | {"twisted/plugins/mailstack_plugin.py", "mailstack/etc/mailstack.toml"}


def test_the_source_archive_has_what_builds_and_tests_need_and_no_caches(archives):
    with tarfile.open(archives.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "Makefile", "etc/mailstack.toml", "packaging/release"} <= names
    assert sources("mailstack") | sources("tests") | sources("docs") <= names
    assert [name for name in names if re.search(r"__pycache__|\.venv|_cache/|\.pyc$|^site/|^dist/", name)] == []


def test_both_have_the_licences(archives, metadata):
    files = metadata.get_all("License-File")
    with ZipFile(archives.wheel) as wheel:
        for name in files:
            text = wheel.read(f"mailstack-{mailstack.__version__}.dist-info/licenses/{name}")
            assert text == (ROOT / name).read_bytes()
    assert "LICENSE" in files


def test_the_readme_of_an_index_needs_no_checkout(metadata):
    text = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) == []
    assert "$ pip install mailstack\n" in text
    for word in ("checkout", "PyPI", "$PWD", "make run"):
        assert word not in text


def test_the_readme_of_an_index_keeps_the_rest(metadata):
    headings = re.findall(r"^## .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert re.findall(r"^## .*", metadata.get_payload(), re.MULTILINE) == headings


def test_the_metadata_names_no_address(metadata):
    """No home page, author or contact is known."""
    assert {"Home-page", "Project-URL", "Author", "Author-email", "Maintainer"}.isdisjoint(metadata.keys())
    assert {"email testing", "fake smtp server", "pytest"} <= set(metadata["Keywords"].split(","))


MAX_PACKAGES = 22
MAX_MB = 45


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_installs_within_limits_and_runs(kind, archives, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=TIMEOUT_S)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", getattr(archives, kind)], check=True, timeout=TIMEOUT_S)
    subprocess.run([*pip, "check"], check=True, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL)
    size = sum(file.stat().st_size for file in environment.rglob("site-packages/**/*") if file.is_file())
    assert size < MAX_MB * 1_000_000
    assert len(list(environment.rglob("site-packages/*.dist-info"))) <= MAX_PACKAGES
    command = Path(environment, "bin", "mailstack")
    smoke = [python, ROOT / "packaging" / "smoke.py", command]
    assert "ready in" in subprocess.run(smoke, check=True, timeout=TIMEOUT_S, capture_output=True, text=True).stdout
