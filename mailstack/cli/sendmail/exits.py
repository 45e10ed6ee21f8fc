"""How the sendmail commands end: the exit codes of sysexits.h, which cron, mail clients and scripts know."""

from __future__ import annotations

OK = 0
USAGE = 64
DATAERR = 65
NOUSER = 67
UNAVAILABLE = 69
NOPERM = 77
TEMPFAIL = 75
CONFIG = 78


class Ended(Exception):
    """The command ends with `code`; str() says why, on standard error."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
