"""Log fixture for tests of mailboxes."""

from tests.queue.conftest import log_propagates

__all__ = ["log_propagates"]
