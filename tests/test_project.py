"""The project's outer face: documents that lead somewhere and name what exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import click

import mailstack
from mailstack.cli import main
from tests.reference import commands as commands_page
from tests.reference import settings as settings_page

ROOT = Path(__file__).parent.parent
SOURCES = Path(mailstack.__file__).parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
COMMAND = re.compile(r"(?:\$ |# |`|^)mailstack ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)", re.MULTILINE)


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


COMMANDS = sorted(commands(main))


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken_links(document: Path) -> Iterator[str]:
    for target in LINK.findall(CODE.sub("", document.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (
            fragment and fragment not in {anchor(heading) for heading in HEADING.findall(file.read_text())}
        ):
            yield f"{document.relative_to(ROOT)} links to {target}"


def test_every_link_has_a_target() -> None:
    assert [link for document in DOCUMENTS for link in broken_links(document)] == []


def unknown_commands(document: Path) -> Iterator[str]:
    known = {path[:length] for path in COMMANDS for length in (1, 2)}
    groups = {path[0] for path in COMMANDS if len(path) > 1}
    for found in COMMAND.findall("\n".join(CODE.findall(document.read_text()))):
        words = tuple(found.split())
        path = words[:2] if words[0] in groups and len(words) > 1 else words[:1]
        if path not in known:
            yield f"{document.relative_to(ROOT)} names `mailstack {found}`"


def test_every_command_in_a_document_exists() -> None:
    assert [command for document in DOCUMENTS for command in unknown_commands(document)] == []


def test_every_command_and_setting_is_in_the_reference_as_it_is() -> None:
    """The pages are generated: `python -m tests.reference` writes them anew."""
    for page in (commands_page, settings_page):
        assert page.DOCUMENT.read_text() == page.written(), "write it anew: python -m tests.reference"
    reference = commands_page.DOCUMENT.read_text()
    assert [path for path in COMMANDS if f"`mailstack {' '.join(path)}`" not in reference] == []
    reference = settings_page.DOCUMENT.read_text()
    assert [setting for setting in settings_page.settings() if setting not in reference] == []


def test_every_document_is_found_from_the_start() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached:
            continue
        reached.add(document)
        for target in LINK.findall(document.read_text()):
            file = (document.parent / target.partition("#")[0]).resolve()
            waiting += [file] if file.suffix == ".md" and file.is_file() else []
            waiting += file.glob("*.md") if file.is_dir() else []
    assert set(DOCUMENTS) <= reached


def test_decisions_are_numbered_one_after_the_other_and_say_their_number() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [decision.name[:4] for decision in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for decision in decisions:
        assert decision.read_text().startswith(f"# {int(decision.name[:4])}. ")


def test_every_package_has_its_line_in_the_architecture() -> None:
    layout = (ROOT / "docs/explanation/architecture.md").read_text()
    for package in sorted(file.parent.name for file in SOURCES.glob("*/__init__.py")):
        assert re.search(rf"^  (?:\S+ +)*{package}/", layout, re.MULTILINE), package


def test_every_refusal_of_a_session_is_explained() -> None:
    explained = (ROOT / "docs/reference/replies.md").read_text()
    given = re.compile(r'reply\(\s*([45][0-9]{2}),\s*"([45]\.[0-9.]+)"')
    # The client's own replies, in place of a host's.
    of_client = {"outgoing.py", "client_session.py"}
    found = 0
    for package in ("receiving", "queue", "policy", "protocols/smtp"):
        for file in (SOURCES / package).rglob("*.py"):
            for code, status in given.findall(file.read_text()) if file.name not in of_client else ():
                found += 1
                assert f"`{code} {status}`" in explained, f"{file.name} answers {code} {status}"
    assert found > 50, "the packages that answer clients are not where this test looks"


def test_every_step_of_a_journey_is_explained() -> None:
    named = re.findall(r'^    "([a-z]+)",$', (SOURCES / "letter/delivery.py").read_text(), re.MULTILINE)
    assert len(named) >= 12
    for step in named:
        assert f"`{step}`" in (ROOT / "docs/reference/journey.md").read_text()


def test_every_table_of_the_configuration_is_in_the_overview() -> None:
    overview = (ROOT / "docs/reference/configuration.md").read_text()
    for name, value in tomllib.loads((ROOT / "etc/mailstack.toml").read_text()).items():
        assert not isinstance(value, dict) or f"[{name}]" in overview


def test_every_limit_is_in_the_reference_of_limits() -> None:
    told = (ROOT / "docs/reference/limits.md").read_text()
    for name in tomllib.loads((ROOT / "etc/mailstack.toml").read_text())["limits"]:
        assert f"`{name}`" in told or f"`[limits] {name}`" in told, name


def test_the_changelog_knows_the_version() -> None:
    assert f"## {mailstack.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_readmes_commands_are_the_makefiles() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test", "check", "format", "bench", "dist"} <= targets
    for document in DOCUMENTS:
        assert set(re.findall(r"\bmake ([a-z-]+)  ", document.read_text())) <= targets


def test_make_shows_the_progress_of_an_installation() -> None:
    recipes = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert recipes
    assert not [line for line in recipes if "--quiet" in line or "-q" in line.split() or "/dev/null" in line]


def test_ci_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()


def test_the_plugin_has_no_package_around_it() -> None:
    """An __init__.py under twisted/ would hide Twisted's own packages."""
    for folder in (ROOT / "twisted", ROOT / "twisted" / "plugins"):
        assert not (folder / "__init__.py").exists()


def test_the_projects_metadata_is_whole() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    assert project["scripts"] == {
        "mailstack": "mailstack.cli:main",
        "mailstack-sendmail": "mailstack.cli.sendmail.command:main",
        "mailstack-mailq": "mailstack.cli.sendmail.command:mailq",
    }
    for fragment in settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["fragments"]:
        assert (ROOT / fragment["path"]).exists()
    assert (SOURCES / "py.typed").exists()


def installed_files() -> list[str]:
    """Files that the wheel installs: as the installed one says, else as hatchling would take them from the checkout."""
    installed = [str(file) for file in metadata.files("mailstack") or ()]
    if "mailstack/__init__.py" in installed:
        return installed
    builder = import_module("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    return [file.distribution_path for file in builder.recurse_included_files()]


def test_the_wheel_installs_only_the_plugin_among_twisteds_own() -> None:
    """Its dropin.cache would overwrite that of other plugins, which twistd then does not find."""
    cache = ROOT / "twisted" / "plugins" / "dropin.cache"
    was_there = cache.exists()
    if (ROOT / "mailstack").exists() and not was_there:
        cache.touch()
    try:
        files = installed_files()
    finally:
        if not was_there:
            cache.unlink(missing_ok=True)
    assert "mailstack/__init__.py" in files
    ours = [file for file in files if file.startswith("twisted/") and "__pycache__" not in file]
    assert ours == ["twisted/plugins/mailstack_plugin.py"]
