"""Imports inside functions: lists of what may be imported so; all else is imported at the top."""

from __future__ import annotations

import ast
from collections import Counter

from tests.test_layers import fail_with, room_of, trees

REACTOR = {"twisted.internet", "twisted.internet.defer"}
"""`twisted.internet.reactor` installs a reactor for the whole process."""

OPTIONAL_LIBRARIES = {
    "PIL",
    "boto3",
    "boto3.s3.transfer",
    "botocore.config",
    "botocore.exceptions",
    "cryptography.hazmat.primitives",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "difflib",
    "idna",
    "jwt",
    "jwt.algorithms",
    "psycopg",
    "segno",
    "sqlite3",
}
"""Drivers and libraries that few servers and commands need."""

TWISTED_WEB = {"twisted.web.client", "twisted.web.http_headers"}
"""HTTP client of Twisted: tests/journeys/test_web.py holds that a server without pages never loads it."""

OWN = {
    "mailstack.cli.checks",
    "mailstack.cli.migrate",
    "mailstack.cli.queue",
    "mailstack.cli.sendmail",
    "mailstack.config",
    "mailstack.letter",
    "mailstack.mailbox.index",
    "mailstack.net",
    "mailstack.queue",
    "mailstack.queue.webhooks",
    "mailstack.sandbox.compat",
    "mailstack.sandbox.dev",
    "mailstack.server",
    "mailstack.server.wiring",
    "mailstack.server.workers",
    "mailstack.store",
    "mailstack.store.objects",
    "mailstack.store.postgresql",
    "mailstack.testing",
    "mailstack.web",
    "mailstack.web.api",
    "mailstack.web.checks",
}
"""Packages of mailstack with modules that a configuration, a mode or a kind of store may leave out.

A server's memory is measured (docs/explanation/performance.md), and so is the start of `mailstack dev`; `mailstack serve`
ignores SIGHUP before its long imports. Pages are loaded by their first visitor, plugins of twistd and pytest by their use.
"""

MAXIMUM = {
    "accounts": 8,
    "cli": 38,
    "config": 1,
    "letter": 1,
    "net": 5,
    "sandbox": 19,
    "server": 27,
    "store": 7,
    "testing": 7,
    "web": 1,
}
"""Maximum number of imports inside functions of each room. It only gets smaller."""

LIBRARIES = REACTOR | OPTIONAL_LIBRARIES | TWISTED_WEB


def lazy_imports() -> list[tuple[str, str]]:
    """Returns each module with a module that it imports inside a function."""
    found: dict[tuple[str, int], tuple[str, str]] = {}
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.ImportFrom):
                        found[module, inner.lineno] = (module, inner.module or "")
                    elif isinstance(inner, ast.Import):
                        found[module, inner.lineno] = (module, inner.names[0].name)
    return sorted(found.values())


def is_allowed(name: str) -> bool:
    """Whether a library is listed, or a module of mailstack is in a listed package."""
    return name in LIBRARIES or name in OWN or name.rpartition(".")[0] in OWN


def test_imports_stand_at_the_top_but_for_the_allowed_ones() -> None:
    fail_with([f"{module} imports {name} inside a function" for module, name in lazy_imports() if not is_allowed(name)])


def test_the_lists_name_nothing_that_is_imported_at_the_top() -> None:
    names = {name for _, name in lazy_imports()}
    packages = {name.rpartition(".")[0] for name in names}
    fail_with(sorted((LIBRARIES - names) | (OWN - names - packages)))


def test_no_room_gets_more_imports_inside_functions() -> None:
    counts = Counter(room_of(module) for module, _ in lazy_imports())
    fail_with(
        [
            f"{room} has {count}, {MAXIMUM.get(room, 0)} are allowed"
            for room, count in counts.items()
            if count > MAXIMUM.get(room, 0)
        ]
    )
