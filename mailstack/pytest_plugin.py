"""The pytest plugin: post offices as fixtures. It costs a project that uses none of them the import of this one file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mailstack.testing import Office

_MARKER = "mailstack(**options): what the fixture's office is made with, as mailstack.testing.Office takes it"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def mailstack(request: pytest.FixtureRequest) -> Iterator[Office]:
    """A post office for this test alone: see docs/reference/pytest.md."""
    from mailstack.testing import Office  # noqa: PLC0415

    marker = request.node.get_closest_marker("mailstack")
    with Office(**(marker.kwargs if marker else {})) as office:
        yield office


@pytest.fixture(scope="session")
def mailstack_session() -> Iterator[Office]:
    """A post office for the whole session, for a program that is started once; `clear()` it between tests."""
    from mailstack.testing import Office  # noqa: PLC0415

    with Office() as office:
        yield office


@pytest.fixture
def mailstack_django(mailstack: Office, settings: Any) -> Office:
    """The fixture `mailstack`, with Django's settings (pytest-django's `settings`) so that it sends there."""
    for name, value in mailstack.django_settings().items():
        setattr(settings, name, value)
    return mailstack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what came, below a test that failed."""
    report = yield
    if report.failed and report.when == "call":
        for name in ("mailstack", "mailstack_session"):
            office = getattr(item, "funcargs", {}).get(name)
            if office is not None:
                report.sections.append((f"Letters of the fixture {name}", office.report()))
    return report
