"""Public test API: local mail server, simulated internet, faults, drop-ins for other packages.

Tests import from here only; docs/reference/pytest.md describes each name. A name is imported on first use, so that a
test pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailstack.sandbox.faults import (
        Fault,
        alert,
        bad_certificate,
        cut_in_content,
        cut_literal,
        disk_full,
        full_mailbox,
        greylisting,
        half_open,
        host_down,
        lost_answer,
        maildrop_locked,
        new_validity,
        no_uidl,
        over_quota,
        too_busy,
    )
    from mailstack.sandbox.simulation import Internet, NotReached, Path, SimulatedReactor, SubmissionRefused
    from mailstack.testing.aiosmtpd import Controller
    from mailstack.testing.folder_messages import FolderMessage
    from mailstack.testing.letter import Journey, Letter
    from mailstack.testing.local_mail_server import LocalMailServer, MailstackMixin
    from mailstack.testing.mail_folder import MailFolder, NoSuchFlag, NoSuchMessage
    from mailstack.testing.message import Attachment
    from mailstack.testing.pytest_localserver import smtpserver
    from mailstack.testing.smtpdfix import smtpd
    from mailstack.testing.user_mailbox import UserMailbox
    from mailstack.testing.waiter import NoSuchLetter

__all__ = [
    "Attachment",
    "Controller",
    "Fault",
    "FolderMessage",
    "Internet",
    "Journey",
    "Letter",
    "LocalMailServer",
    "MailFolder",
    "MailstackMixin",
    "NoSuchFlag",
    "NoSuchLetter",
    "NoSuchMessage",
    "NotReached",
    "Path",
    "SimulatedReactor",
    "SubmissionRefused",
    "UserMailbox",
    "aiosmtpd",
    "alert",
    "bad_certificate",
    "cut_in_content",
    "cut_literal",
    "disk_full",
    "full_mailbox",
    "greylisting",
    "half_open",
    "host_down",
    "lost_answer",
    "maildrop_locked",
    "new_validity",
    "no_uidl",
    "over_quota",
    "pytest_localserver",
    "smtpd",
    "smtpdfix",
    "smtpserver",
    "too_busy",
]

_OWN = {
    "Attachment": "message",
    "Controller": "aiosmtpd",
    "FolderMessage": "folder_messages",
    "Journey": "letter",
    "Letter": "letter",
    "MailFolder": "mail_folder",
    "MailstackMixin": "local_mail_server",
    "NoSuchFlag": "mail_folder",
    "NoSuchLetter": "waiter",
    "NoSuchMessage": "mail_folder",
    "LocalMailServer": "local_mail_server",
    "UserMailbox": "user_mailbox",
    "smtpd": "smtpdfix",
    "smtpserver": "pytest_localserver",
}
"""Submodule that defines each name."""
_SIMULATION = ("Internet", "NotReached", "SubmissionRefused", "Path", "SimulatedReactor")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("aiosmtpd", "pytest_localserver", "smtpdfix"):
        return import_module(f"{__name__}.{name}")
    if name in _OWN:
        return getattr(import_module(f"{__name__}.{_OWN[name]}"), name)
    return getattr(
        import_module("mailstack.sandbox.simulation" if name in _SIMULATION else "mailstack.sandbox.faults"), name
    )
