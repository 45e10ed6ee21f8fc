"""One dev environment for all clients that a worker tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.environment import Environment
from tests.journeys.process import Process


def _start(tmp_path_factory: pytest.TempPathFactory, *options: str) -> Iterator[Environment]:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("run"))}
    with Process("dev", "--port-base", "0", "--json", "--quiet", *options, environ=environ) as process:
        yield Environment(process, environ)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    yield from _start(tmp_path_factory)


@pytest.fixture
def dev(running: Environment) -> Environment:
    """With an empty mailbox for bob."""
    running.empty()
    return running


@pytest.fixture(scope="module")
def with_scram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One that offers SCRAM as well."""
    yield from _start(tmp_path_factory, "--scram")
