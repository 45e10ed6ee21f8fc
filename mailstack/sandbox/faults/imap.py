"""Faulty sessions of an IMAP server, command by command."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mailstack.protocols.connection import Ending, Peer
from mailstack.protocols.imap.command_table import ImapState
from mailstack.protocols.imap.commands import (
    Authenticate,
    Close,
    GetQuotaRoot,
    Idle,
    IdleDone,
    ImapCopy,
    ImapEvent,
    ImapLogin,
    ListFolders,
    Replace,
    Select,
    StoreFlags,
)
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.sandbox.faults.faults import FaultContext
from mailstack.sandbox.faults.faulty_peer import BROKEN, FaultyPeer, InjectionPoint
from mailstack.sandbox.faults.imap_output import FaultyOutput
from mailstack.sandbox.faults.other_client import remove_first
from mailstack.sandbox.faults.rule import Fault
from mailstack.sandbox.imap.extensions import is_command, with_dependents, withhold, without_multiappend
from mailstack.sandbox.imap.withheld_responses import edit_line

_STEPS: dict[type, str] = {
    ImapLogin: "login",
    Authenticate: "login",
    Close: "close",
    GetQuotaRoot: "quota",
    ListFolders: "list",
    Replace: "append",
    StoreFlags: "store",
}
"""Steps that have another name than their event."""


def step_of(command: ImapEvent) -> str:
    """Step of a command, such as "imap.fetch". One that IMAP_STEPS lacks belongs to "imap.any" only."""
    if isinstance(command, ImapCopy):
        return "imap.move" if command.moves else "imap.copy"
    kind = type(command)
    step = _STEPS.get(kind) or kind.__name__.lower().removeprefix("imap").removeprefix("get")
    return f"imap.{step}"


_NO_COMMANDS = frozenset({"imap.connect", "imap.idling"})
"""Steps that "imap.any" does not include."""
_NUMBERS = re.compile(rb"^\* ([0-9]{1,10}) (EXISTS|EXPUNGE)\r$", re.MULTILINE)


class FaultyImap(FaultyPeer):
    """Peer of an IMAP server with faults by command."""

    def __init__(self, peer: Peer[ImapEvent], engine: ImapServerEngine, point: InjectionPoint) -> None:
        super().__init__(peer, point)
        self._engine = engine
        self._command: Any = None
        """The last command."""
        self._selected = ""
        self._counts: Counter[str] = Counter()
        self._withheld: frozenset[str] = frozenset()
        """Extensions that are no longer offered."""
        self._messages = 0
        """Messages that the client knows of."""
        self._output = FaultyOutput(peer, point.clock, self._edit)
        self._stop_idling: Callable[[], None] = lambda: None

    # --- Peer

    def send(self, octets: bytes) -> None:
        if not self._greeted or self._mute or self._broken:
            super().send(octets)
            return
        if not octets:
            return  # no continuation request: the literal comes unasked
        for number, name in _NUMBERS.findall(octets):
            self._messages = int(number) if name == b"EXISTS" else self._messages - 1
        is_idle = isinstance(self._command, Idle)
        is_start_of_idle = is_idle and octets.startswith(b"+ ")
        is_last = self._engine.is_compressed or octets.startswith(f"{getattr(self._command, 'tag', '*')} ".encode())
        if octets.startswith(b"+ ") and not is_idle:
            self._output.write(octets)  # a literal or response is awaited: the reply comes later
        elif self._rule is not None and self._rule.drop == "before" and not self._rule.octets:
            self._break()
        else:
            self._output.send(octets, is_last=is_last)
        if is_start_of_idle:
            self._start_idling()
        self._is_replied = self._is_replied or is_last
        self._broken = self._broken or self._output.is_closed

    async def drain(self, timeout: float) -> bool:
        return await self._output.flush(timeout) and await self._peer.drain(timeout)

    async def next_event(self, timeout: float) -> ImapEvent | Ending:
        if not await self._output.flush(timeout):
            return BROKEN
        event = await super().next_event(timeout)
        if isinstance(event, IdleDone):
            self._stop_idling()
        if isinstance(event, Select) and event.qresync is not None:
            known = event.qresync
            validity = known.validity - self._point.faults.validities[self._key(event.folder)]
            return replace(event, qresync=replace(known, validity=validity))
        passed: ImapEvent | Ending = without_multiappend(event, self._withheld, self._command)
        return passed

    def close(self) -> None:
        self._stop_idling()
        self._output.write_all()
        super().close()

    # --- FaultyPeer

    async def _inject(self, event: Any) -> Any:
        self._note(event)
        if event is not self._command:
            return event
        at = step_of(event)
        rule = self._find(at)
        if rule is None:
            return event
        if rule.delay:
            await self._point.clock.pause(rule.pause)
        self._output.rule = rule
        self._send_untagged(rule)
        if rule.without:
            self._withhold(rule)
        if rule.new_validity:
            self._point.faults.validities[self._key(event.folder)] += 1
        if rule.expunge and self._point.store is not None:
            await remove_first(self._point.store, self._engine.account, self._selected, event)
        self._output.is_editing = self._has_edits(rule)
        return self._take_effect(event, rule)

    def _note(self, event: Any) -> None:
        if not is_command(event):
            return
        self._command = event
        self._is_replied = False
        self._output.rule = None
        self._output.is_editing = self._has_edits(None)
        self._counts[step_of(event)] += 1
        if isinstance(event, Select):
            self._selected = event.folder
        elif self._engine.state is not ImapState.SELECTED:
            self._selected = ""

    def _has_edits(self, rule: Fault | None) -> bool:
        is_altered = rule is not None and bool(rule.sizes or rule.literals)
        return is_altered or bool(self._withheld or self._point.faults.validities)

    def _find(self, at: str) -> Fault | None:
        point, command = self._point, self._command
        context = FaultContext(
            at,
            point.server,
            point.service,
            self._client,
            count=self._counts[at],
            account=self._engine.account or _login_name(command),
            folder=getattr(command, "folder", "") or self._selected,
        )
        return point.faults.choose(context, lambda rule: rule.at == at or at not in _NO_COMMANDS)

    def _connect_rule(self) -> Fault | None:
        self._counts["imap.connect"] += 1
        return self._find("imap.connect")

    def _refuse(self, event: Any, rule: Fault) -> Any:
        self._swallow(event)
        if rule.reply.startswith("* "):
            self._peer.send(f"{rule.reply}\r\n".encode("ascii"))
            self._broken = True
            self._peer.close()
            return BROKEN
        self._peer.send(f"{event.tag} {rule.reply}\r\n".encode("ascii"))
        self._is_replied = True
        return None

    def _swallow(self, event: Any) -> None:  # noqa: ARG002
        self._engine.tagged("*", "NO", "")

    def _alter(self, octets: bytes, rule: Fault) -> bytes:
        """Greeting without the extensions that a rule withholds."""
        self._withhold(rule)
        return edit_line(octets, self._withheld)

    # --- effects

    def _withhold(self, rule: Fault) -> None:
        self._withheld |= with_dependents(rule.without)
        self._engine.commands = withhold(self._engine.commands, self._withheld)

    def _send_untagged(self, rule: Fault) -> None:
        if rule.untagged:
            self._output.write(f"{rule.untagged}\r\n".encode("ascii"))
        if rule.exists:
            self._messages += rule.exists
            self._output.write(b"* %d EXISTS\r\n" % self._messages)

    def _start_idling(self) -> None:
        rule = self._find("imap.idling") if self._point.faults.any else None
        self._counts["imap.idling"] += 1
        if rule is not None:
            self._stop_idling = self._point.clock.call_later(rule.pause, lambda: self._disturb(rule))

    def _disturb(self, rule: Fault) -> None:
        """Effect of a rule at "imap.idling"."""
        self._send_untagged(rule)
        self._mute = self._mute or rule.silence
        if rule.reply:
            self._broken = True
            self._peer.send(f"{rule.reply}\r\n".encode("ascii"))
            self._peer.close()
        elif rule.drop:
            self._break()

    # --- edits

    def _key(self, folder: str) -> tuple[str, str, str]:
        return self._point.server, self._engine.account, folder

    def _edit(self, line: bytes) -> bytes:
        """First line of a response as the client gets it."""
        if self._withheld:
            line = edit_line(line, self._withheld)
        return self._output.with_validity(
            line,
            getattr(self._command, "folder", ""),
            lambda folder: self._point.faults.validities[self._key(folder)],
            utf8=self._engine.utf8,
        )


def _login_name(command: Any) -> str:
    """Name by which a client logs in; "" where it is unknown yet."""
    if isinstance(command, ImapLogin):
        return command.user
    if isinstance(command, Authenticate) and command.mechanism == "PLAIN" and command.initial:
        return command.initial.split(b"\0")[1:2][0].decode("utf-8", "replace") if b"\0" in command.initial else ""
    return ""
