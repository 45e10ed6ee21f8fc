"""Builds the documentation site with MkDocs: python packaging/site.py FOLDER [ARCHIVE].

Links of the documents are those of the repository, so the pages are laid out like it. Lists and tables become
Python-Markdown's, which differ from GitHub's. Exits with 1 for a broken link, or a file of another host that a page loads. ARCHIVE is the zip file that `mailstack docs` serves.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "etc", "docs")

ITEM = re.compile(r"( *)([-*+]|\d+[.)])( +)")
FENCE = re.compile(r" *(`{3,}|~{3,})")
UNNEEDED = re.compile(r"\.map$|^assets/javascripts/lunr/|^sitemap|\.gz$")
"""Files of the site without use for `mailstack docs`: source maps, other languages, maps for crawlers."""
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)[^>]*>")


def python_markdown(text: str) -> str:
    """Document with four spaces a level of a list, an empty line before each list, and no escapes in code of tables."""
    return "\n".join(_lines(text.split("\n"))) + "\n"


def _lines(lines: list[str]) -> Iterator[str]:
    levels: list[int] = []  # where the text of each open item begins
    fence, before = "", ""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        mark = FENCE.match(line)
        if line.strip() and not fence:
            while levels and indent < levels[-1]:
                levels.pop()
        if not fence and not mark and (item := ITEM.match(line)):
            if before.strip() and not ITEM.match(before) and not before.startswith(" "):
                yield ""
            changed = " " * 4 * len(levels) + item[2] + item[3] + line[item.end() :]
            levels.append(item.end())
        else:
            margin = levels[-1] if levels else 0
            changed = " " * 4 * len(levels) + line[min(indent, margin) :] if line.strip() else ""
            if not fence and line.startswith("|"):
                changed = re.sub(r"`[^`]*`", lambda code: code[0].replace(r"\|", "|"), line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        yield changed
        before = line


def decisions(folder: Path) -> str:
    """Page that lists the decisions, which the repository shows as a folder."""
    titles = [(file.name, file.read_text().split("\n")[0].removeprefix("# ")) for file in sorted(folder.glob("0*.md"))]
    return "# Decisions\n\n" + "\n".join(f"* [{title.replace('. ', ': ', 1)}]({name})" for name, title in titles) + "\n"


def lay_out(pages: Path) -> None:
    """Copies the pages into an empty folder, in the form that MkDocs needs."""
    for name in PAGES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, pages / name, ignore=shutil.ignore_patterns("mkdocs.yml"))
        else:
            shutil.copy(source, pages / name)
    index = pages / "docs/decisions/index.md"
    index.write_text(decisions(index.parent))
    for page in pages.rglob("*.md"):
        text = python_markdown(page.read_text())
        page.write_text(text.replace("decisions/)", "decisions/index.md)").replace("](LICENSE)", "](LICENSE.md)"))
    (pages / "LICENSE.md").write_text("# License\n\n" + (pages / "LICENSE").read_text())
    (pages / "LICENSE").unlink()


def foreign_files(site: Path) -> Iterator[str]:
    """Files of other hosts that the pages load."""
    for page in sorted(site.rglob("*.html")):
        for found in LOADED.finditer(page.read_text()):
            if "rel=canonical" not in found[0] and 'rel="canonical"' not in found[0]:
                yield f"{page.relative_to(site)} loads {found[1]}"


def archive(site: Path, target: Path) -> None:
    """Writes the files that a browser needs into a zip file, the same octets for the same site."""
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=9) as zipped:
        for file in sorted(site.rglob("*")):
            name = str(file.relative_to(site))
            if file.is_file() and not UNNEEDED.search(name):
                zipped.writestr(ZipInfo(name), file.read_bytes(), ZIP_DEFLATED, 9)


def main(target: Path, zipped: Path | None = None) -> None:
    """Builds the site in place of the target folder, and its archive."""
    with tempfile.TemporaryDirectory(prefix="mailstack-site.") as folder:
        work = Path(folder)
        (work / "pages").mkdir()
        lay_out(work / "pages")
        shutil.copy(ROOT / "docs/mkdocs.yml", work)
        # With --quiet, --strict finds nothing.
        command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        result = subprocess.run(
            command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if result.returncode:
            raise SystemExit(result.stdout)
        if foreign := list(foreign_files(work / "site")):
            raise SystemExit("\n".join(foreign))
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(work / "site", target)
    if zipped is not None:
        archive(target, zipped)
    print(f"{target}: {sum(1 for _ in target.rglob('*.html'))} pages")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
