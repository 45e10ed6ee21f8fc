"""IMAP settings: initial folders of accounts, and limits of sessions."""

from __future__ import annotations

from msgspec import Struct

from mailstack.config.values import Count, ImapFolder, read_imap_folder
from mailstack.letter.times import Duration, read_duration


class ImapSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Folders and sessions of IMAP."""

    folders: tuple[ImapFolder, ...] = tuple(
        [
            read_imap_folder(text)
            for text in ("Drafts:drafts", "Sent:sent", "Junk:junk", "Trash:trash", "Archive:archive")
        ]
    )
    sessions_per_account: Count = 50
    login_timeout: Duration = read_duration("1m")
    idle_timeout: Duration = read_duration("30m")
    write_timeout: Duration = read_duration("2m")
    keep_alive: Duration = read_duration("2m")
    """Seconds between untagged responses of IDLE, for the tables of address translators."""
