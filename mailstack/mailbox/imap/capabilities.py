"""Capabilities of the IMAP service, and ENABLE (RFC 3501 §7.2.1, RFC 5161)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailstack.mailbox.imap.service import ImapLimits

CAPABILITY_BASE = ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE")
"""Capabilities before and after login."""

CAPABILITY_SELECTED = (
    "NAMESPACE",
    "UIDPLUS",
    "MOVE",
    "CHILDREN",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "UNSELECT",
    "CONDSTORE",
    "QRESYNC",
    "ESEARCH",
    "SEARCHRES",
    "PARTIAL",
    "WITHIN",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "CONTEXT=SEARCH",
    "CONTEXT=SORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "MULTIAPPEND",
    "STATUS=SIZE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "BINARY",
    "OBJECTID",
    "SAVEDATE",
    "PREVIEW",
    "REPLACE",
    "INPROGRESS",
    "NOTIFY",
    "UTF8=ACCEPT",
)
"""Capabilities after login that have no value."""

REV2 = "IMAP4rev2"
"""Name of the revision of RFC 9051, which a client enables as it does an extension."""

ENABLED_TOGETHER = {
    "CONDSTORE": ("CONDSTORE",),
    "QRESYNC": ("CONDSTORE", "QRESYNC"),
    "UTF8=ACCEPT": ("UTF8=ACCEPT",),
    REV2.upper(): (REV2,),
}
"""Extensions of ENABLE, with those that they imply (RFC 7162 §3.2.3)."""


def capabilities_before_login(*, can_start_tls: bool, mechanisms: Sequence[str], allows_passwords: bool) -> list[str]:
    """Capabilities of a connection without a login; `mechanisms` are those of SASL."""
    names = list(CAPABILITY_BASE)
    if can_start_tls:
        names.append("STARTTLS")
    if not allows_passwords:
        return [*names, "LOGINDISABLED"]
    return names + [f"AUTH={mechanism}" for mechanism in mechanisms]


def capabilities_after_login(limits: ImapLimits) -> list[str]:
    """Capabilities of a logged-in session, with the limit of APPEND in octets (RFC 7889)."""
    names = [*CAPABILITY_BASE, *CAPABILITY_SELECTED, f"APPENDLIMIT={limits.message_size}"]
    return [*names, "COMPRESS=DEFLATE"] if limits.compression else names


class EnabledExtensions:
    """Extensions that the client of a session has enabled."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.is_condstore_new = False
        """Whether the present command has enabled CONDSTORE; HIGHESTMODSEQ is sent then (RFC 7162 §3.1)."""

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def enable(self, names: Iterable[str]) -> list[str]:
        """Enables known extensions; returns those that were not enabled before."""
        added = []
        for name in names:
            for implied in ENABLED_TOGETHER.get(name, ()):
                if implied not in self._names:
                    self._names.add(implied)
                    self.is_condstore_new = self.is_condstore_new or implied == "CONDSTORE"
                    added.append(implied)
        return added
