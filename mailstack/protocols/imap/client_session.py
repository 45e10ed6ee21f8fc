"""IMAP client session: login, folders, messages and IDLE (RFC 3501 §6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from mailstack.protocols.connection import Disconnected, Ending, Peer, Woken
from mailstack.protocols.imap.client import (
    CommandString,
    ImapClientEngine,
    ImapClientEvent,
    ImapContinuation,
    ImapData,
    ImapStatusResponse,
    ImapViolation,
)
from mailstack.protocols.imap.client_results import (
    CommandResult,
    FetchedMessage,
    ListedFolder,
    SelectedFolder,
    fetched_messages,
    folder_argument,
    list_argument,
    listed_folder,
    number,
    selected_folder,
    status_numbers,
    words,
)
from mailstack.protocols.imap.compression import DeflatingPeer
from mailstack.protocols.imap.mailbox_names import encode_utf7
from mailstack.protocols.imap.responses import internal_date

T = TypeVar("T")


class ImapRefused(Exception):
    """The server replied NO or BAD; str() is its text."""

    def __init__(self, response: ImapStatusResponse) -> None:
        super().__init__(response.text)
        self.status = response.status
        self.code = response.code
        """Response code such as "TRYCREATE"; "" without one."""


class ImapConnectionLost(Exception):
    """The connection was lost, or its input was not IMAP or too large; str() is the reason."""


class ImapClientSession:
    """One connection to an IMAP server. Every method may raise ImapRefused or ImapConnectionLost."""

    def __init__(
        self,
        peer: Peer[ImapClientEvent | Woken],
        engine: ImapClientEngine,
        *,
        timeout: float = 600.0,
        max_size: int = 256 * 1024 * 1024,
    ) -> None:
        """`timeout` is in seconds for each response; `max_size` in octets of the responses to one command."""
        self._peer = peer
        self._engine = engine
        self._timeout = timeout
        self._max_size = max_size
        self.capabilities: frozenset[str] = frozenset()
        """Capabilities in upper case, as the server has announced them last."""

    # --- the session

    async def open(self) -> str:
        """Receive the greeting; returns its text."""
        event = await self._next()
        if not isinstance(event, ImapStatusResponse):
            raise self._lost("a greeting was expected")
        if event.status == "BYE":
            self._peer.close()
            raise ImapRefused(event)
        self._note(event.code)
        if not self.capabilities:
            await self.capability()
        return event.text

    async def capability(self) -> frozenset[str]:
        await self.command(b"CAPABILITY")
        return self.capabilities

    async def start_tls(self, server_name: str | None = None, *, verify: bool = False) -> None:
        """STARTTLS; capabilities are requested again (RFC 3501 §6.2.1)."""
        await self.command(b"STARTTLS")
        if not await self._peer.start_tls(server_name, verify=verify):
            raise ImapConnectionLost("the TLS handshake failed")
        await self.capability()

    async def login(self, user: str, password: str, mechanism: str | None = None) -> None:
        """Log in by LOGIN, or by AUTHENTICATE with `mechanism` "PLAIN"."""
        if mechanism is None:
            result = await self.command(b"LOGIN", CommandString(user.encode()), CommandString(password.encode()))
        else:
            response = b"\0".join((b"", user.encode(), password.encode()))
            result = await self.command(
                b"AUTHENTICATE", mechanism.encode("ascii"), on_continuation=lambda _: self._engine.respond(response)
            )
        if not result.response.code.startswith("CAPABILITY ") and not result.named("CAPABILITY"):
            await self.capability()

    async def noop(self) -> CommandResult:
        """NOOP; its result has what is new."""
        return await self.command(b"NOOP")

    async def enable(self, *extensions: str) -> None:
        await self.command(b"ENABLE", *[name.encode("ascii") for name in extensions])

    async def compress(self) -> None:
        """COMPRESS: both directions use DEFLATE from now on (RFC 4978)."""
        await self.command(b"COMPRESS DEFLATE")
        self._engine.compression_started()
        self._peer = DeflatingPeer(self._peer)

    async def logout(self) -> None:
        try:
            await self.command(b"LOGOUT")
        finally:
            self._peer.close()

    # --- folders

    async def select(self, folder: str, *, read_only: bool = False) -> SelectedFolder:
        """SELECT, or EXAMINE."""
        name = b"EXAMINE" if read_only else b"SELECT"
        return selected_folder(await self.command(name, folder_argument(folder)))

    async def list_folders(self, reference: str = "", pattern: str = "*") -> list[ListedFolder]:
        result = await self.command(b"LIST", folder_argument(reference), CommandString(encode_utf7(pattern)))
        return [listed_folder(data) for data in result.named("LIST")]

    async def status(self, folder: str, *items: str) -> dict[str, int]:
        """Numbers of STATUS by their item; items with other values are left out."""
        return status_numbers(await self.command(b"STATUS", folder_argument(folder), list_argument(items)))

    async def create(self, folder: str) -> None:
        await self.command(b"CREATE", folder_argument(folder))

    async def delete(self, folder: str) -> None:
        await self.command(b"DELETE", folder_argument(folder))

    async def rename(self, folder: str, to: str) -> None:
        await self.command(b"RENAME", folder_argument(folder), folder_argument(to))

    async def subscribe(self, folder: str, *, on: bool = True) -> None:
        await self.command(b"SUBSCRIBE" if on else b"UNSUBSCRIBE", folder_argument(folder))

    async def append(
        self, folder: str, message: bytes, flags: Iterable[str] = (), internal_date_at: float | None = None
    ) -> str:
        """APPEND one message; returns the response code, such as "APPENDUID 1 2"."""
        arguments: list[bytes | CommandString] = [b"APPEND", folder_argument(folder), list_argument(flags)]
        if internal_date_at is not None:
            arguments.append(internal_date(internal_date_at))
        tag, octets = self._engine.append(*arguments, message=message)
        self._peer.send(octets)
        return (await self._result(tag)).response.code

    # --- messages of the selected folder; numbers are UIDs

    async def fetch(self, uids: str, items: str) -> list[FetchedMessage]:
        """UID FETCH of a set and of items as in the protocol, such as "(FLAGS BODY.PEEK[])"."""
        result = await self.command(b"UID FETCH", uids.encode("ascii"), items.encode("ascii"))
        return fetched_messages(result)

    async def search(self, *keys: bytes | CommandString) -> list[int]:
        """UIDs of UID SEARCH; texts in the keys are CommandStrings in UTF-8."""
        has_text = any(isinstance(key, CommandString) and not key.octets.isascii() for key in keys)
        charset = [b"CHARSET UTF-8"] if has_text else []
        result = await self.command(b"UID SEARCH", *charset, *keys)
        return [number(value) for data in result.named("SEARCH") for value in data.values if isinstance(value, str)]

    async def store(self, uids: str, mode: str, flags: Iterable[str]) -> CommandResult:
        """UID STORE; `mode` is "FLAGS", "+FLAGS" or "-FLAGS", also with ".SILENT"."""
        return await self.command(b"UID STORE", uids.encode("ascii"), mode.encode("ascii"), list_argument(flags))

    async def copy(self, uids: str, folder: str) -> str:
        """UID COPY; returns the response code, such as "COPYUID 1 2 3"."""
        return (await self.command(b"UID COPY", uids.encode("ascii"), folder_argument(folder))).response.code

    async def move(self, uids: str, folder: str) -> CommandResult:
        return await self.command(b"UID MOVE", uids.encode("ascii"), folder_argument(folder))

    async def expunge(self, uids: str | None = None) -> CommandResult:
        """EXPUNGE, or UID EXPUNGE of a set."""
        if uids is None:
            return await self.command(b"EXPUNGE")
        return await self.command(b"UID EXPUNGE", uids.encode("ascii"))

    async def idle(self, wait: Callable[[Callable[[], Awaitable[ImapData]]], Awaitable[T]]) -> T:
        """IDLE while `wait` runs: its argument gives the next news. Other responses are skipped."""
        tag = await self._start_idle()
        try:
            return await wait(self._news)
        finally:
            self._peer.send(self._engine.done())
            await self._result(tag)

    async def idle_until_woken(self, on_news: Callable[[ImapData], None]) -> None:
        """IDLE until `wake`; `on_news` gets the news, also those that come before the end of the command.

        A server that ends it with BYE, such as an autologout, raises ImapRefused with its text.
        """
        tag = await self._start_idle()
        while not isinstance(event := await self._event(), Woken):
            if isinstance(event, ImapData):
                on_news(event)
            elif _ends_idle(event):
                self._peer.close()
                raise self._refusal(event)
        self._peer.send(self._engine.done())
        for data in (await self._result(tag)).data:
            on_news(data)

    def wake(self) -> None:
        """End `idle_until_woken`; without effect on other commands."""
        self._peer.wake()

    async def _start_idle(self) -> str:
        tag, octets = self._engine.command(b"IDLE")
        self._peer.send(octets)
        if not isinstance(event := await self._next(), ImapContinuation):
            raise self._refusal(event)
        return tag

    async def _news(self) -> ImapData:
        while not isinstance(event := await self._next(), ImapData):
            if _ends_idle(event):
                raise self._refusal(event)
        return event

    # --- commands

    async def command(
        self, *arguments: bytes | CommandString, on_continuation: Callable[[str], bytes] | None = None
    ) -> CommandResult:
        """Run any command. Raises ImapRefused for NO and BAD."""
        tag, octets = self._engine.command(*arguments)
        self._peer.send(octets)
        return await self._result(tag, on_continuation)

    async def _result(self, tag: str, on_continuation: Callable[[str], bytes] | None = None) -> CommandResult:
        data: list[ImapData] = []
        codes: list[str] = []
        size = 0
        while True:
            event = await self._next()
            if isinstance(event, ImapData):
                data.append(event)
                size += event.size
                if event.name == "CAPABILITY":
                    self._note(" ".join(["CAPABILITY", *words(event.values)]))
            elif isinstance(event, ImapContinuation):
                if self._engine.is_waiting:
                    self._peer.send(self._engine.next_part())
                elif on_continuation is not None:
                    self._peer.send(on_continuation(event.text))
                    on_continuation = self._cancel
                else:
                    raise self._lost("a continuation request came unasked")
            elif event.tag == tag:
                self._note(event.code)
                if event.status != "OK":
                    raise ImapRefused(event)
                return CommandResult(event, data, codes)
            else:
                codes += [event.code] if event.code else []
                size += len(event.text) + 64
            if size > self._max_size:
                raise self._lost(f"more than {self._max_size} octets in the responses to one command")

    def _cancel(self, _text: str) -> bytes:
        """Response to an unexpected further challenge."""
        return self._engine.respond(None)

    def _note(self, code: str) -> None:
        """Capabilities of a response code or response."""
        name, _, names = code.partition(" ")
        if name == "CAPABILITY":
            self.capabilities = frozenset(names.upper().split())
            self._engine.is_literal_plus = "LITERAL+" in self.capabilities

    async def _next(self) -> ImapStatusResponse | ImapContinuation | ImapData:
        while isinstance(event := await self._event(), Woken):
            pass
        return event

    async def _event(self) -> ImapStatusResponse | ImapContinuation | ImapData | Woken:
        event: ImapClientEvent | Woken | Ending = await self._peer.next_event(self._timeout)
        if isinstance(event, ImapStatusResponse | ImapContinuation | ImapData | Woken):
            return event
        if isinstance(event, ImapViolation | Disconnected):
            raise self._lost(event.reason or "the connection is gone")
        raise self._lost(f"no response: {event}")

    def _refusal(self, event: ImapClientEvent) -> Exception:
        if isinstance(event, ImapStatusResponse) and event.status != "OK":
            return ImapRefused(event)
        return self._lost("an unexpected response")

    def _lost(self, reason: str) -> ImapConnectionLost:
        self._peer.close()
        return ImapConnectionLost(reason)


def _ends_idle(event: ImapClientEvent) -> bool:
    """Whether a response in IDLE ends it."""
    return isinstance(event, ImapStatusResponse) and (event.tag != "*" or event.status == "BYE")
