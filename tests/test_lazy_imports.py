"""Imports inside functions: a list of modules that may be imported so; all others are imported at the top."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.test_layers import fail_with, trees

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
    "mailstack.cli.checks.database",
    "mailstack.cli.migrate.data_files",
    "mailstack.cli.migrate.database",
    "mailstack.cli.migrate.directory",
    "mailstack.cli.migrate.dump",
    "mailstack.cli.migrate.objects",
    "mailstack.cli.migrate.restore",
    "mailstack.cli.migrate.verify",
    "mailstack.cli.queue.selection",
    "mailstack.cli.sendmail.enqueue",
    "mailstack.cli.sendmail.list",
    "mailstack.config",
    "mailstack.config.endpoints",
    "mailstack.letter.delivery",
    "mailstack.letter.patterns",
    "mailstack.mailbox.index.database",
    "mailstack.mailbox.index.letter_index",
    "mailstack.mailbox.index.removal",
    "mailstack.mailbox.index.shared_feed",
    "mailstack.net.http_client",
    "mailstack.net.log",
    "mailstack.net.sighup",
    "mailstack.net.thread_pool",
    "mailstack.queue.admin",
    "mailstack.queue.selection",
    "mailstack.queue.webhooks.wake_on_step",
    "mailstack.sandbox.compat.context",
    "mailstack.sandbox.compat.pages",
    "mailstack.sandbox.dev.api",
    "mailstack.sandbox.dev.preload",
    "mailstack.server.service",
    "mailstack.server.wiring.contents",
    "mailstack.server.wiring.database",
    "mailstack.server.wiring.tls_reports",
    "mailstack.server.wiring.webhooks",
    "mailstack.server.workers.master",
    "mailstack.store.archive",
    "mailstack.store.journey",
    "mailstack.store.journey_text",
    "mailstack.store.objects.bucket",
    "mailstack.store.objects.contents",
    "mailstack.store.postgresql.factory",
    "mailstack.store.tables",
    "mailstack.testing",
    "mailstack.web.admin_hooks",
    "mailstack.web.api.context",
    "mailstack.web.api.stream_limits",
    "mailstack.web.app",
    "mailstack.web.checks.links",
    "mailstack.web.checks.spam_filter",
    "mailstack.web.compose",
    "mailstack.web.listener",
    "mailstack.web.login",
    "mailstack.web.site",
    "mailstack.web.submission",
    "mailstack.web.websocket",
}
"""Own modules that a configuration, a mode or a kind of store may leave out.

A server's memory is measured (docs/explanation/performance.md), and so is the start of `mailstack dev`; `mailstack serve`
ignores SIGHUP before its long imports. Pages are loaded by their first visitor, plugins of twistd and pytest by their use.
"""

ALLOWED = REACTOR | OPTIONAL_LIBRARIES | TWISTED_WEB | OWN


def importers() -> dict[str, set[str]]:
    """Returns each module that is imported inside a function, with the modules that do so."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.ImportFrom):
                        found[inner.module or ""].add(module)
                    elif isinstance(inner, ast.Import):
                        for alias in inner.names:
                            found[alias.name].add(module)
    return found


def test_imports_stand_at_the_top_but_for_the_allowed_ones() -> None:
    found = importers()
    unlisted = [
        f"{name} is imported inside a function of {', '.join(sorted(found[name]))}" for name in found.keys() - ALLOWED
    ]
    unused = [f"{name} is imported inside no function: take it from the list" for name in ALLOWED - found.keys()]
    fail_with(sorted(unlisted + unused))
