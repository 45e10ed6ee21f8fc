"""The pytest plugin: mail servers as fixtures. It costs a project that uses none of them the import of this one file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mailstack.testing import Internet, LocalMailServer

MOST_LINES = 200
"""Lines of a transcript that are shown below a test that failed."""

_MARKERS = (
    "mailstack(**options): what the fixture's server is made with, as mailstack.testing.LocalMailServer takes it",
    "internet(**options): what the fixture's internet is made with, as mailstack.testing.Internet takes it",
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def mailstack(request: pytest.FixtureRequest) -> Iterator[LocalMailServer]:
    """A mail server for this test alone: see docs/reference/pytest.md."""
    from mailstack.testing import LocalMailServer  # noqa: PLC0415

    with LocalMailServer(**_options(request, "mailstack")) as server:
        yield server


@pytest.fixture(scope="session")
def mailstack_session() -> Iterator[LocalMailServer]:
    """A mail server for the whole session, for a program that is started once; `clear()` it between tests."""
    from mailstack.testing import LocalMailServer  # noqa: PLC0415

    with LocalMailServer() as server:
        yield server


@pytest.fixture
def mailstack_django(mailstack: LocalMailServer, settings: Any) -> LocalMailServer:
    """The fixture `mailstack`, with Django's settings (pytest-django's `settings`) so that it sends there."""
    for name, value in mailstack.django_settings().items():
        setattr(settings, name, value)
    return mailstack


@pytest.fixture
def internet(request: pytest.FixtureRequest) -> Internet:
    """A simulated internet of mail, on virtual time: see docs/reference/pytest.md."""
    from mailstack.testing import Internet  # noqa: PLC0415

    return Internet(**_options(request, "internet"))


def _options(request: pytest.FixtureRequest, marker: str) -> dict[str, Any]:
    found = request.node.get_closest_marker(marker)
    return dict(found.kwargs) if found else {}


def _report(server: LocalMailServer) -> str:
    try:
        return server.report()
    except Exception as error:  # noqa: BLE001 - a test may have stopped the server; its own failure is what counts
        return f"They can't be had: {error}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what came, below a test that failed."""
    report = yield
    if report.failed and report.when == "call":
        fixtures = getattr(item, "funcargs", {})
        for name in ("mailstack", "mailstack_session"):
            if name in fixtures:
                report.sections.append((f"Letters of the fixture {name}", _report(fixtures[name])))
        if "internet" in fixtures:
            world = fixtures["internet"]
            report.sections.append(
                (f"Transcript of the internet (seed={world.seed})", world.transcript.tail(MOST_LINES))
            )
    return report
