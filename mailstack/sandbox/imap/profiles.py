"""Provider profiles of IMAP: extensions, folders and habits of known servers.

The sources are named in docs/howto/imap-clients.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from mailstack.config.imap_settings import ImapSettings
from mailstack.config.syntax import Size
from mailstack.config.values import ImapFolder
from mailstack.sandbox.imap.extensions import WITHHELD

Quirk = Literal[
    "no-enabled",
    "esearch-count-only",
    "no-binary-size",
    "no-rfc822",
    "modseq-after-enable",
    "lsub-without-defaults",
    "noselect-parents",
    "no-keywords",
    "x-gm-ext-1",
]
"""Habits that no capability reveals.

* "no-enabled": the response to ENABLE lacks `* ENABLED`
* "esearch-count-only": SEARCH RETURN gives COUNT, whatever was asked for
* "no-binary-size": BINARY.SIZE is BAD, though BINARY is offered
* "no-rfc822": FETCH leaves out the item RFC822
* "modseq-after-enable": HIGHESTMODSEQ is sent after ENABLE only
* "lsub-without-defaults": LSUB leaves out the default folders, which LIST has
* "noselect-parents": the folder above the special ones can't be selected
* "no-keywords": new keywords are ignored, and PERMANENTFLAGS lacks `\\*`
* "x-gm-ext-1": Gmail's labels, ids of messages and threads, and its own search
"""


class ImapProfile(Struct, frozen=True):
    """Server of one provider, as far as it can be imitated."""

    about: str
    """Imitated server and its most striking habits, for people."""
    offers: tuple[str, ...] = ()
    """Extensions after login, of those that mailstack has. All others are withheld."""
    offers_before: tuple[str, ...] = ()
    """Extensions that are listed before login."""
    greeting: str = "IMAP4rev1 server ready"
    lists_unasked: bool = False
    """Whether greeting and login have the code CAPABILITY."""
    lists_at_login: bool = False
    """Whether an untagged CAPABILITY comes before the OK to a login."""
    id: tuple[tuple[str, str], ...] = ()
    """Fields of the response to ID; empty for NIL."""
    folders: tuple[tuple[str, str], ...] = ()
    """Default folders: paths, and special uses without the backslash."""
    quirks: frozenset[Quirk] = frozenset()
    max_size: int | None = None
    """Maximum octets of APPEND; None: that of mailstack."""

    @property
    def withheld(self) -> frozenset[str]:
        """Extensions in upper case that are not offered."""
        offered = {name.upper() for name in self.offers}
        without_size = {"BINARY.SIZE"} if "no-binary-size" in self.quirks else set()
        return (WITHHELD - {"STARTTLS", "BINARY.SIZE"} - offered) | without_size

    @property
    def noselect(self) -> frozenset[str]:
        """Parents of default folders that can't be selected."""
        if "noselect-parents" not in self.quirks:
            return frozenset()
        return frozenset({path.rpartition("/")[0] for path, _ in self.folders} - {""})

    def settings(self) -> ImapSettings:
        """Configuration with the default folders and limits of the provider."""
        folders = [ImapFolder(path, f"\\{use}" if use else "") for path, use in self.folders]
        settings = {"max_size": Size(self.max_size)} if self.max_size is not None else {}
        return ImapSettings(folders=tuple(folders), **settings)  # type: ignore[arg-type]


_MICROSOFT_FOLDERS = (("Archive", ""), ("Deleted Items", ""), ("Drafts", ""), ("Junk Email", ""), ("Sent Items", ""))
_GMAIL_BEFORE = ("UNSELECT", "IDLE", "NAMESPACE", "QUOTA", "ID", "CHILDREN", "X-GM-EXT-1", "SASL-IR")

PROFILES: Mapping[str, ImapProfile] = {
    "gmail": ImapProfile(
        "Gmail: labels as folders below [Gmail], X-GM-EXT-1",
        (
            *("UNSELECT", "IDLE", "NAMESPACE", "QUOTA", "ID", "CHILDREN", "X-GM-EXT-1", "UIDPLUS", "ENABLE", "MOVE"),
            *("CONDSTORE", "ESEARCH", "UTF8=ACCEPT", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "SPECIAL-USE"),
            *("APPENDLIMIT", "SASL-IR"),
        ),
        _GMAIL_BEFORE,
        "Gimap ready for requests",
        lists_at_login=True,
        id=(("name", "GImap"), ("vendor", "Google, Inc."), ("support-url", "http://mail.google.com/support")),
        folders=(
            ("[Gmail]", ""),
            ("[Gmail]/All Mail", "All"),
            ("[Gmail]/Drafts", "Drafts"),
            ("[Gmail]/Important", "Important"),
            ("[Gmail]/Sent Mail", "Sent"),
            ("[Gmail]/Spam", "Junk"),
            ("[Gmail]/Starred", "Flagged"),
            ("[Gmail]/Trash", "Trash"),
        ),
        quirks=frozenset({"noselect-parents", "x-gm-ext-1"}),
        max_size=35_651_584,
    ),
    "icloud": ImapProfile(
        "iCloud Mail: no MOVE, LITERAL+ and SPECIAL-USE, and extensions that work in part",
        (
            *("CONDSTORE", "ENABLE", "QRESYNC", "QUOTA", "NAMESPACE", "UIDPLUS", "CHILDREN", "BINARY", "UNSELECT"),
            *("SORT", "ESEARCH", "ESORT", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "WITHIN", "SASL-IR"),
            *("SEARCHRES", "ID", "IDLE", "LIST-STATUS", "CONTEXT=SEARCH", "CONTEXT=SORT"),
        ),
        ("SASL-IR",),
        "iCloud IMAP server ready",
        folders=(("Archive", ""), ("Deleted Messages", ""), ("Drafts", ""), ("Junk", ""), ("Sent Messages", "")),
        quirks=frozenset(
            (
                *("no-enabled", "esearch-count-only", "no-binary-size", "no-rfc822"),
                *("modseq-after-enable", "lsub-without-defaults"),
            )
        ),
    ),
    "outlook": ImapProfile(
        "Outlook.com and Microsoft 365: no CONDSTORE, ESEARCH and SPECIAL-USE",
        ("SASL-IR", "UIDPLUS", "MOVE", "ID", "UNSELECT", "CHILDREN", "IDLE", "NAMESPACE", "LITERAL+"),
        ("SASL-IR", "UIDPLUS", "MOVE", "ID", "UNSELECT", "CHILDREN", "IDLE", "NAMESPACE", "LITERAL+"),
        "The Microsoft Exchange IMAP4 service is ready.",
        quirks=frozenset({"no-keywords"}),
        folders=_MICROSOFT_FOLDERS,
    ),
    "exchange": ImapProfile(
        "Exchange 2013 and later on its own machines: as outlook, without SASL-IR and UNSELECT",
        ("UIDPLUS", "MOVE", "ID", "CHILDREN", "IDLE", "NAMESPACE", "LITERAL+"),
        ("UIDPLUS", "MOVE", "ID", "CHILDREN", "IDLE", "NAMESPACE", "LITERAL+"),
        "The Microsoft Exchange IMAP4 service is ready.",
        quirks=frozenset({"no-keywords"}),
        folders=_MICROSOFT_FOLDERS,
    ),
    "yahoo": ImapProfile(
        "Yahoo Mail and AOL: no IDLE, UNSELECT, SASL-IR and CONDSTORE",
        ("ID", "MOVE", "NAMESPACE", "UIDPLUS", "LITERAL+", "CHILDREN"),
        ("ID", "MOVE", "NAMESPACE", "UIDPLUS", "LITERAL+", "CHILDREN"),
        "IMAP4rev1 imapgate",
        lists_unasked=True,
        folders=(("Archive", ""), ("Bulk Mail", ""), ("Draft", ""), ("Sent", ""), ("Trash", "")),
    ),
    "dovecot": ImapProfile(
        "Dovecot 2.4 as Debian has it: nearly all extensions",
        (
            *("SASL-IR", "ID", "ENABLE", "IDLE", "SORT", "SORT=DISPLAY", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT"),
            *("MULTIAPPEND", "UNSELECT", "CHILDREN", "NAMESPACE", "UIDPLUS", "LIST-EXTENDED", "CONDSTORE", "QRESYNC"),
            *("ESEARCH", "ESORT", "SEARCHRES", "WITHIN", "LIST-STATUS", "BINARY", "MOVE", "REPLACE", "PREVIEW"),
            *("SPECIAL-USE", "STATUS=SIZE", "SAVEDATE", "INPROGRESS", "LITERAL+", "CONTEXT=SEARCH"),
        ),
        ("SASL-IR", "ID", "ENABLE", "IDLE", "LITERAL+"),
        "Dovecot ready.",
        lists_unasked=True,
        id=(("name", "Dovecot"),),
        folders=(("Drafts", "Drafts"), ("Junk", "Junk"), ("Sent", "Sent"), ("Trash", "Trash")),
    ),
    "bare": ImapProfile("IMAP4rev1 without any extension, and without folders besides INBOX"),
}
"""Profiles by name."""


def find_profile(name: str) -> ImapProfile | None:
    """The profile of this name; None for "". Raises ValueError for an unknown one."""
    if name and name not in PROFILES:
        raise ValueError(f"imap_profile {name!r}: unknown; use one of {', '.join(PROFILES)}")
    return PROFILES.get(name)
