"""Imports inside functions: a list of those allowed, each group with its reason; all others stand at the top."""

from __future__ import annotations

import ast
from collections import Counter

from tests.test_layers import fail_with, trees

REACTOR = {
    "cli.dev_run": 1,
    "cli.reactor": 1,
    "server.workers.worker": 1,
    "testing.thread_results": 2,
}
"""Imports of `twisted.internet.reactor`, which installs a reactor for the whole process."""

OPTIONAL_LIBRARIES = {
    "accounts.issuer": 4,
    "accounts.signed_tokens": 2,
    "letter.address": 1,
    "sandbox.compat.mailhog.messages": 1,
    "sandbox.compat.mailpit.events": 1,
    "sandbox.compat.mailpit.thumbnail": 1,
    "store.objects.bucket": 5,
    "store.objects.contents": 1,
    "store.postgresql.driver": 1,
    "web.html_pages": 1,
}
"""Drivers and libraries that few servers need: boto3, psycopg, jwt, idna, PIL, segno, wsproto."""

TWISTED_WEB = {
    "accounts.issuer_client": 2,
    "net.http_body": 1,
    "net.http_client": 2,
    "net.https": 2,
}
"""HTTP client of Twisted: tests/journeys/test_web.py holds that a server without pages never loads it."""

FEATURES = {
    "server.delivery_pipeline": 2,
    "server.listeners": 4,
    "server.mail_server": 3,
    "server.privileged_setup": 2,
    "server.service": 4,
    "server.wiring.contents": 2,
}
"""Parts of a server that a configuration may leave out: their memory is measured (docs/explanation/performance.md)."""

START = {
    "cli.checks.storage": 1,
    "cli.sendmail.command": 7,
    "cli.serve": 7,
    "cli.smtp_target": 2,
    "cli.store_runner": 4,
    "cli.target": 1,
    "config.suggest": 1,
    "server.tap": 8,
    "testing.journey": 1,
    "testing.local_mail_server": 1,
    "testing.pytest_plugin": 3,
}
"""Start-up time: a dev environment's commands read no configuration (100 ms), sendmail loads one of its modes, serve
ignores SIGHUP before its long imports, and twistd and pytest list their plugins without a server."""

DEV = {
    "sandbox.dev.accounts": 2,
    "sandbox.dev.compat": 4,
    "sandbox.dev.environment": 6,
    "sandbox.dev.external_relays": 1,
}
"""Pages of a dev environment: tests/journeys/test_web.py holds that the first visitor loads them."""

STORES = {
    "cli.store.copy": 5,
    "cli.store.stats": 1,
    "cli.store.store_url": 6,
    "cli.store.verify": 2,
}
"""Kinds of store, of which a command names one or two."""

ALLOWED = REACTOR | OPTIONAL_LIBRARIES | TWISTED_WEB | FEATURES | START | DEV | STORES


def found() -> Counter[str]:
    """Counts the import statements inside functions of each module."""
    counts: Counter[str] = Counter()
    for module, tree in trees().items():
        lines = {
            inner.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Import | ast.ImportFrom)
        }
        if lines:
            counts[module.removeprefix("mailstack.")] = len(lines)
    return counts


def test_imports_stand_at_the_top_but_for_the_allowed_ones() -> None:
    counts = found()
    fail_with(
        [
            f"{module} has {counts[module]} imports inside functions, the list allows {ALLOWED.get(module, 0)}"
            for module in sorted(counts.keys() | ALLOWED.keys())
            if counts[module] != ALLOWED.get(module, 0)
        ]
    )
