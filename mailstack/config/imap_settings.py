"""IMAP settings: initial folders of accounts, and limits of sessions."""

from __future__ import annotations

from msgspec import Struct

from mailstack.config.syntax import Size
from mailstack.config.values import Count, CountOrNone, ImapFolder, read_imap_folder
from mailstack.letter.times import Duration, read_duration


class ImapSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Folders and sessions of IMAP."""

    folders: tuple[ImapFolder, ...] = tuple(
        [
            read_imap_folder(text)
            for text in ("Drafts:drafts", "Sent:sent", "Junk:junk", "Trash:trash", "Archive:archive")
        ]
    )
    max_folders: Count = 10_000
    max_size: Size = Size(52_428_800)
    append_messages: Count = 1000
    sessions_per_account: Count = 50
    login_timeout: Duration = read_duration("1m")
    idle_timeout: Duration = read_duration("30m")
    write_timeout: Duration = read_duration("2m")
    search_timeout: Duration = read_duration("1m")
    search_contexts: CountOrNone = 8
    notify_folders: CountOrNone = 1000
    keep_alive: Duration = read_duration("2m")
    expunge_grace: Duration = read_duration("10m")
    journey_messages: CountOrNone = 0
    bare_lf: bool = False
    compression: bool = False
    seen_by_pop3: bool = True
