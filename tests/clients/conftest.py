"""One dev environment for all clients that a worker tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.environment import Environment


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with Environment(tmp_path_factory.mktemp("run")) as environment:
        yield environment


@pytest.fixture
def dev(running: Environment) -> Environment:
    """With an empty mailbox for bob."""
    running.empty()
    return running


@pytest.fixture(scope="module")
def with_scram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One that offers SCRAM as well."""
    with Environment(tmp_path_factory.mktemp("run"), "--scram") as environment:
        yield environment
