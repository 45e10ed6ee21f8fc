"""Pytest plugin with mail server fixtures.

A project that uses none of them pays only for the import of this file.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mailstack.testing import Internet, LocalMailServer

MAX_LINES = 200
"""Maximum lines of the internet's transcript in the report of a failed test."""

_MARKERS = (
    "mailstack(**options): arguments of mailstack.testing.LocalMailServer for the fixture `mailstack`",
    "internet(**options): arguments of mailstack.testing.Internet for the fixture `internet`",
)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def mailstack(request: pytest.FixtureRequest) -> Iterator[LocalMailServer]:
    """A mail server for one test; see docs/reference/pytest.md."""
    from mailstack.testing import LocalMailServer  # noqa: PLC0415

    with LocalMailServer(**_options(request, "mailstack", LocalMailServer)) as server:
        yield server


@pytest.fixture(scope="session")
def mailstack_session() -> Iterator[LocalMailServer]:
    """A mail server for the whole session, for a program that is started once; call `clear()` between tests."""
    from mailstack.testing import LocalMailServer  # noqa: PLC0415

    with LocalMailServer() as server:
        yield server


@pytest.fixture
def mailstack_django(mailstack: LocalMailServer, settings: Any) -> LocalMailServer:
    """The fixture `mailstack`, with pytest-django's `settings` changed so that Django sends to it."""
    for name, value in mailstack.django_settings(_django_mailers(settings)).items():
        setattr(settings, name, value)
    return mailstack


def _django_mailers(settings: Any) -> set[str] | None:
    """Aliases of Django's setting MAILERS; None if the project, or this version of Django, uses `EMAIL_…` instead."""
    if not hasattr(sys.modules.get("django.core.mail"), "mailers") or not hasattr(settings, "MAILERS"):
        return None
    return {"default", *settings.MAILERS}


@pytest.fixture
def internet(request: pytest.FixtureRequest) -> Internet:
    """A simulated internet of mail servers on virtual time; see docs/reference/pytest.md."""
    from mailstack.testing import Internet  # noqa: PLC0415

    return Internet(**_options(request, "internet", Internet))


def _options(request: pytest.FixtureRequest, marker: str, kind: type) -> dict[str, Any]:
    """Options of the test's marker, if it has one; a wrong option fails the test."""
    mark = request.node.get_closest_marker(marker)
    if mark is None:
        return {}
    name, expected = f"@pytest.mark.{marker}", list(signature(kind).parameters)
    if mark.args:
        pytest.fail(f"{name} takes keyword arguments only, and got {mark.args[0]!r}", pytrace=False)
    if unknown := [each for each in mark.kwargs if each not in expected]:
        known = ", ".join(expected)
        pytest.fail(f"{name} got an unexpected option {unknown[0]!r}; expected one of {known}", pytrace=False)
    return dict(mark.kwargs)


def _is_provided(value: object, module: str, name: str) -> bool:
    """Whether a fixture's value is of this plugin's type; a project may define a fixture with the same name."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _report(server: LocalMailServer) -> str:
    try:
        return server.report()
    except Exception as error:  # noqa: BLE001 - the test may have stopped the server; its own failure counts
        return f"No report available: {error}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the letters and transcripts to the report of a failed test."""
    report = yield
    if report.failed and report.when == "call":
        fixtures = getattr(item, "funcargs", {})
        for name in ("mailstack", "mailstack_session"):
            if _is_provided(fixtures.get(name), "mailstack.testing.local_mail_server", "LocalMailServer"):
                report.sections.append((f"Messages of the fixture {name}", _report(fixtures[name])))
        world: Any = fixtures.get("internet")
        if _is_provided(world, "mailstack.sandbox.simulation.internet", "Internet"):
            report.sections.append(
                (f"Transcript of the internet (seed={world.seed})", world.transcript.tail(MAX_LINES))
            )
    return report
