"""IMAP session of a provider profile: changed commands and responses."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace as changed

from mailstack.protocols.connection import Ending, Peer, PeerWrapper
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.command_table import ImapState
from mailstack.protocols.imap.commands import (
    Append,
    AppendedMessage,
    Delete,
    Enable,
    Fetch,
    ImapCopy,
    ImapEvent,
    ImapStatus,
    Rename,
    Replace,
    Search,
    Select,
    StoreFlags,
)
from mailstack.protocols.imap.fetch_items import BodySection
from mailstack.protocols.imap.search_keys import SearchReturn
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.protocols.imap.tokenizer import CommandReader, ImapGrammarError, ImpossibleCommand
from mailstack.sandbox.imap.extensions import is_command, withhold, without_multiappend
from mailstack.sandbox.imap.gmail import GmailExtension
from mailstack.sandbox.imap.gmail_commands import extend
from mailstack.sandbox.imap.profiles import ImapProfile
from mailstack.sandbox.imap.response_editor import ResponseEditor
from mailstack.sandbox.imap.withheld_responses import edit_line
from mailstack.server.runtime import Runtime
from mailstack.store import Store

_CODE = re.compile(rb"(\S+ OK )\[CAPABILITY ([^\]]*)\] (.*)", re.DOTALL)
_MAILBOX_LINE = re.compile(rb'\* (?:(LIST|LSUB) \(([^)]*)\) "/" |STATUS )')
_WITH_FOLDER = (Select, ImapStatus, Append, Replace, ImapCopy, Delete, Rename)
_KEYWORDS = frozenset({"$MDNSent"})
"""Keywords of a server that accepts no new ones."""


class ProfilePeer(PeerWrapper[Any]):
    """Peer that changes events and responses as the profile requires."""

    def __init__(
        self, peer: Peer[ImapEvent], engine: ImapServerEngine, profile: ImapProfile, gmail: GmailExtension | None
    ) -> None:
        """`gmail` is for a profile with X-GM-EXT-1."""
        super().__init__(peer)
        self._engine = engine
        self._profile = profile
        self._withheld = profile.withheld
        self._editor = ResponseEditor(self._edit)
        self._command: Any = None
        self._is_greeted = self._has_enabled = False
        self._gmail = gmail
        self._selected = ""
        table = withhold(engine.commands, self._withheld)
        engine.commands = table if gmail is None else extend(table)

    def send(self, octets: bytes) -> None:
        self._peer.send(self._editor.changed(octets))

    async def next_event(self, timeout: float) -> ImapEvent | Ending:
        event: Any
        while True:
            event = await self._peer.next_event(timeout)
            if not is_command(event):
                return without_multiappend(event, self._withheld, self._command)  # type: ignore[no-any-return]
            self._command = event
            if isinstance(event, _WITH_FOLDER) and event.folder in self._profile.noselect:
                self._engine.tagged("*", "NO", "")
                self._peer.send(responses.tagged(event.tag, "NO", "the mailbox can't be selected", "NONEXISTENT"))
                continue
            if isinstance(event, Select):
                self._selected = event.folder
            event = self._translated(event)
            if self._gmail is not None:
                event = await self._gmail.translated(event, self._selected)
            return event  # type: ignore[no-any-return]

    # --- commands

    def _translated(self, event: Any) -> Any:
        """The command as the server performs it."""
        quirks = self._profile.quirks
        match event:
            case Enable():
                self._has_enabled = True
            case Search(returns=SearchReturn(options)) if "esearch-count-only" in quirks:
                saved = ("SAVE",) if "SAVE" in options else ()
                return changed(event, returns=SearchReturn(("COUNT", *saved)))
            case Fetch() if "no-rfc822" in quirks:
                return changed(event, items=tuple([item for item in event.items if not _is_rfc822(item)]))
            case StoreFlags() if "no-keywords" in quirks:
                return changed(event, flags=_permitted(event.flags))
            case Append() | Replace() if "no-keywords" in quirks:
                message: AppendedMessage = event.message
                return changed(event, message=changed(message, flags=_permitted(message.flags)))
        return event

    # --- responses

    def _edit(self, line: bytes, *, is_start: bool) -> bytes:
        """First line of a response as the provider sends it."""
        if not is_start:
            return line
        if not self._is_greeted:
            self._is_greeted = True
            return self._greeting(line)
        line = self._edit_mailbox(self._edit_habits(line))
        if self._gmail is not None:
            line = self._gmail.edit(line)
        is_before = self._engine.state is ImapState.NOT_AUTHENTICATED
        return self._without_code(edit_line(line, self._before() if is_before else self._withheld, self._names_added()))

    def _edit_habits(self, line: bytes) -> bytes:
        """Line as the quirks of the provider change it."""
        quirks = self._profile.quirks
        is_dropped = (line.startswith(b"* ENABLED") and "no-enabled" in quirks) or (
            line.startswith(b"* OK [HIGHESTMODSEQ ") and "modseq-after-enable" in quirks and not self._has_enabled
        )
        if is_dropped:
            return b""
        if line.startswith(b"* ID "):
            return responses.server_id(dict(self._profile.id))
        if line.startswith(b"* OK [PERMANENTFLAGS (") and "no-keywords" in quirks:
            return line.replace(b" \\*)", b" $MDNSent)", 1)
        return line

    def _greeting(self, line: bytes) -> bytes:
        edited = self._without_code(edit_line(line, self._before(), self._names_added()))
        head, end, _ = edited.rpartition(b"] ") if b"] " in edited else edited.partition(b"OK ")
        return head + end + self._profile.greeting.encode("ascii") + b"\r\n"

    def _before(self) -> frozenset[str]:
        """Extensions that are not listed before login."""
        return self._withheld | {name.upper() for name in self._profile.offers} - set(self._profile.offers_before)

    def _names_added(self) -> tuple[str, ...]:
        profile = self._profile
        if self._engine.state is ImapState.NOT_AUTHENTICATED:
            return profile.offers_before
        return tuple([name for name in profile.offers if name in {"X-GM-EXT-1", "LITERAL-"}])

    def _without_code(self, line: bytes) -> bytes:
        """A list of capabilities in the OK of a login comes before it, or with CAPABILITY only."""
        found = _CODE.match(line)
        if found is None or self._profile.lists_unasked:
            return line
        is_login = self._profile.lists_at_login and not line.startswith(b"* ")
        listed = b"* CAPABILITY %b\r\n" % found[2] if is_login else b""
        return listed + found[1] + found[3]

    def _edit_mailbox(self, line: bytes) -> bytes:
        """LIST, LSUB and STATUS of folders that the provider shows in another way."""
        found = _MAILBOX_LINE.match(line)
        if found is None:
            return line
        try:
            path = CommandReader(line, found.end(), utf8=self._engine.utf8).folder()
        except (ImapGrammarError, ImpossibleCommand):
            return line
        profile = self._profile
        if path in profile.noselect:
            attributes = b" ".join([*found[2].split(), b"\\Noselect"]) if found[1] else b""
            return b'* %b (%b) "/" ' % (found[1], attributes) + line[found.end() :] if found[1] else b""
        is_default = path == "INBOX" or any(path == name for name, _ in profile.folders)
        if found[1] == b"LSUB" and is_default and "lsub-without-defaults" in profile.quirks:
            return b""
        return line


def _permitted(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([flag for flag in flags if flag.startswith("\\") or flag in _KEYWORDS])


def _is_rfc822(item: Any) -> bool:
    return isinstance(item, BodySection) and item.label == "RFC822"


def with_imap_profile(runtime: Runtime, profile: ImapProfile | None, store: Store) -> Runtime:
    """Runtime with IMAP sessions of a provider on a store; None: the runtime as it is."""
    if profile is None:
        return runtime

    def hook(peer: Peer[Any], engine: Any, server: str, service: str) -> Peer[Any]:  # noqa: ARG001
        if not isinstance(engine, ImapServerEngine):
            return peer
        has_gmail = "x-gm-ext-1" in profile.quirks
        return ProfilePeer(peer, engine, profile, GmailExtension(engine, store, runtime.clock) if has_gmail else None)

    return changed(runtime, session_hook=hook)
