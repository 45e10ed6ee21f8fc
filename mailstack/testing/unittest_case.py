"""A mail server for each test of a unittest class: of unittest itself, its asyncio variant, Django's, or Twisted's trial.

class ResetTest(MailstackMixin, unittest.TestCase):
    def test_a_reset_is_mailed(self):
        ask_for_reset("bob@home.test", smtp=self.mailstack.capture)
        self.mailstack.wait_for_letter(to="bob@home.test", subject="Reset")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from mailstack.testing.local_mail_server import LocalMailServer


class MailstackMixin:
    """Put before the class of the framework: `self.mailstack` is the server."""

    mailstack: LocalMailServer
    mailstack_options: ClassVar[dict[str, Any]] = {}
    """What the server is made with, as `LocalMailServer` takes it."""
    addCleanup: Callable[..., Any]  # noqa: N815 - the framework's

    def setUp(self) -> None:
        """Start the server; it is stopped when the test is over, however it ended."""
        super().setUp()  # type: ignore[misc]
        self.mailstack = LocalMailServer(**self.mailstack_options).start()
        self.addCleanup(self.mailstack.stop)
